/* Change the ingest password: typed twice, or generated here and shown once. */
import { Problem, request } from "../../lib/api.js";
import { html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { errorOf } from "../../lib/messages.js";
import { CopyButton } from "../../parts/copy.js";
import { Dialog } from "../../parts/dialog.js";
import { Field } from "../../parts/field.js";
import { ErrorNotice } from "../../parts/states.js";
import common from "../../i18n/common.js";
import words from "../../i18n/settings_secrets.js";

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

export function NewPassword({ onDone, onClose }) {
  const [own, setOwn] = useState(false);
  const [typed, setTyped] = useState({ first: "", second: "" });
  const [errors, setErrors] = useState({});
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const [newPassword, setNewPassword] = useState(null);

  const onSubmit = async (event) => {
    event.preventDefault();
    const found = {};
    if (own && [...typed.first].length < MIN_CHARS) found.first = t("tooShort", { least: MIN_CHARS });
    else if (own && typed.first !== typed.second) found.second = t("differ");
    setErrors(found);
    setProblem(null);
    if (Object.keys(found).length) return;
    const password = own ? typed.first : generatedPassword();
    setBusy(true);
    try {
      await request("PUT", "/api/settings", { json: { ingest_password: password } });
      setNewPassword(password);
      onDone();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const passwordError = errorOf(error, "ingest_password");
      if (passwordError && own) setErrors({ first: passwordError });
      else setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  if (newPassword !== null) {
    return html`
      <${Dialog} title=${t("newPassword")} onClose=${onClose}>
        <div class="stack">
          <p>${t("holdsNow")}</p>
          <p class="secret-once"><code>${newPassword}</code></p>
          <p class="soft">${t("shownOnce")}</p>
          <div class="actions"><${CopyButton} text=${newPassword} /><button type="button" class="button button-primary" onClick=${onClose}>${t("noted")}</button></div>
        </div>
      <//>
    `;
  }
  const input = (name) => (attributes) =>
    html`<input ...${attributes} type="password" autocomplete="new-password" maxlength="1024" value=${typed[name]} onInput=${(event) => setTyped({ ...typed, [name]: event.target.value })} />`;
  return html`
    <${Dialog} title=${t("newPassword")} onClose=${onClose}>
      <form class="stack" noValidate onSubmit=${onSubmit}>
        <p class="notice">${t("stopsAtOnce")}</p>
        ${problem && html`<${ErrorNotice} problem=${problem} />`}
        <fieldset>
          <legend class="unseen">${t("newPassword")}</legend>
          <label class="check"><input type="radio" name="kind" checked=${!own} onChange=${() => setOwn(false)} /> ${t("makeOne")}</label>
          <label class="check"><input type="radio" name="kind" checked=${own} onChange=${() => setOwn(true)} /> ${t("typeOne")}</label>
        </fieldset>
        ${own && html`
          <${Field} id="new-password" label=${t("password")} help=${t("passwordHelp", { least: MIN_CHARS })} error=${errors.first} control=${input("first")} />
          <${Field} id="new-password-again" label=${t("passwordAgain")} error=${errors.second} control=${input("second")} />
        `}
        <div class="actions">
          <button type="button" class="button" onClick=${onClose}>${c("cancel")}</button>
          <button class="button button-primary" disabled=${busy}>${t("changeNow")}</button>
        </div>
      </form>
    <//>
  `;
}
