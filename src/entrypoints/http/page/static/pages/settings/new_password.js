/* Change the camera password: the new one is shown first, then it is changed, then the cameras that still need it are listed. */
import { Problem, me, request } from "../../lib/api.js";
import { html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { errorOf } from "../../lib/messages.js";
import { CopyButton } from "../../parts/copy.js";
import { Dialog } from "../../parts/dialog.js";
import { Field } from "../../parts/field.js";
import { Icon } from "../../parts/icon.js";
import { ErrorNotice } from "../../parts/states.js";
import common from "../../i18n/common.js";
import words from "../../i18n/settings_secrets.js";
import { Cameras } from "./cameras.js";

const t = translator(words);
const c = translator(common);

const MIN_CHARS = 8;
/** Without characters that look alike, as it is typed into cameras by hand. */
const LETTERS = "abcdefghjkmnpqrstuvwxyz23456789";
const LENGTH = 16;

function generatedPassword() {
  const limit = 256 - (256 % LETTERS.length);
  const letters = [];
  while (letters.length < LENGTH) {
    const [byte] = crypto.getRandomValues(new Uint8Array(1));
    if (byte < limit) letters.push(LETTERS[byte % LETTERS.length]);
  }
  return letters.join("").replace(/.{4}(?=.)/g, "$&-");
}

/** There is no way out while the change runs: a person who leaves then would not know which password holds. */
export function NewPassword({ onDone, onClose }) {
  const [own, setOwn] = useState(false);
  const [made, setMade] = useState(generatedPassword);
  const [typed, setTyped] = useState("");
  const [error, setError] = useState(null);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const [changedAt, setChangedAt] = useState(null);
  const password = own ? typed : made;

  const onSubmit = async (event) => {
    event.preventDefault();
    setProblem(null);
    setError(own && [...typed].length < MIN_CHARS ? t("tooShort", { least: MIN_CHARS }) : null);
    if (own && [...typed].length < MIN_CHARS) return;
    setBusy(true);
    try {
      const { data } = await request("PUT", "/api/settings", { json: { ingest_password: password } });
      setChangedAt(data.ingest_password.changed_at);
      onDone();
    } catch (failure) {
      if (!(failure instanceof Problem)) throw failure;
      const passwordError = errorOf(failure, "ingest_password");
      if (passwordError && own) setError(passwordError);
      else setProblem(failure);
    } finally {
      setBusy(false);
    }
  };
  if (changedAt !== null) {
    return html`
      <${Dialog} title=${t("newPassword")} wide onClose=${onClose}>
        <div class="stack">
          <p>${t("holdsNow")}</p>
          <p class="secret-once"><code>${password}</code></p>
          ${me.get().permissions.includes("slots:read") && html`<${Cameras} changedAt=${changedAt} />`}
          <div class="actions"><${CopyButton} text=${password} /><button type="button" class="button button-primary" onClick=${onClose}>${t("noted")}</button></div>
        </div>
      <//>
    `;
  }
  const input = (attributes) =>
    html`<input ...${attributes} type="text" autocomplete="off" spellcheck=${false} maxlength="1024" disabled=${busy} value=${typed} onInput=${(event) => setTyped(event.target.value)} />`;
  return html`
    <${Dialog} title=${t("newPassword")} onClose=${busy ? undefined : onClose}>
      <form class="stack" noValidate onSubmit=${onSubmit}>
        ${problem && html`<${ErrorNotice} problem=${problem} />`}
        <fieldset disabled=${busy}>
          <legend class="unseen">${t("newPassword")}</legend>
          <label class="check"><input type="radio" name="kind" checked=${!own} onChange=${() => setOwn(false)} /> ${t("makeOne")}</label>
          <label class="check"><input type="radio" name="kind" checked=${own} onChange=${() => setOwn(true)} /> ${t("typeOne")}</label>
        </fieldset>
        ${own
          ? html`<${Field} id="new-password" label=${t("password")} help=${t("passwordHelp", { least: MIN_CHARS })} error=${error} control=${input} />`
          : html`
            <p class="secret-once"><code>${made}</code></p>
            <div class="row"><${CopyButton} text=${made} /><button type="button" class="button" disabled=${busy} onClick=${() => setMade(generatedPassword())}><${Icon} name="refresh" /> ${t("makeAnother")}</button></div>
          `}
        <p class="notice">${t("stopsAtOnce")} ${t("shownOnce")}</p>
        <div class="actions">
          <button type="button" class="button" disabled=${busy} onClick=${onClose}>${c("cancel")}</button>
          <button class="button button-primary" disabled=${busy}>${t(busy ? "changing" : "changeNow")}</button>
        </div>
      </form>
    <//>
  `;
}
