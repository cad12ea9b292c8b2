/* Another password for the cameras: typed twice, or made here and shown this once. */
import { Problem, ask } from "../../lib/api.js";
import { html, useState } from "../../lib/html.js";
import { say } from "../../lib/language.js";
import { CopyButton } from "../../parts/copy.js";
import { Dialog } from "../../parts/dialog.js";
import { Field } from "../../parts/field.js";
import { Trouble } from "../../parts/states.js";
import common from "../../i18n/common.js";
import words from "../../i18n/settings_secrets.js";

const t = say(words);
const c = say(common);

const LEAST = 8;
/** Without the letters and digits that look alike: it is typed into cameras by hand. */
const LETTERS = "abcdefghjkmnpqrstuvwxyz23456789";
const LENGTH = 16;

function made() {
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
  const [holds, setHolds] = useState(null);

  const onSubmit = async (event) => {
    event.preventDefault();
    const found = {};
    if (own && [...typed.first].length < LEAST) found.first = t("tooShort", { least: LEAST });
    else if (own && typed.first !== typed.second) found.second = t("differ");
    setErrors(found);
    setProblem(null);
    if (Object.keys(found).length) return;
    const password = own ? typed.first : made();
    setBusy(true);
    try {
      await ask("PUT", "/api/settings", { json: { ingest_password: password } });
      setHolds(password);
      onDone();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const told = error.of("ingest_password");
      if (told && own) setErrors({ first: told });
      else setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  if (holds !== null) {
    return html`
      <${Dialog} title=${t("newPassword")} onClose=${onClose}>
        <div class="stack">
          <p>${t("holdsNow")}</p>
          <p class="secret-once"><code>${holds}</code></p>
          <p class="soft">${t("shownOnce")}</p>
          <div class="actions"><${CopyButton} text=${holds} /><button type="button" class="button button-primary" onClick=${onClose}>${t("noted")}</button></div>
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
        ${problem && html`<${Trouble} problem=${problem} />`}
        <fieldset>
          <legend class="unseen">${t("newPassword")}</legend>
          <label class="check"><input type="radio" name="kind" checked=${!own} onChange=${() => setOwn(false)} /> ${t("makeOne")}</label>
          <label class="check"><input type="radio" name="kind" checked=${own} onChange=${() => setOwn(true)} /> ${t("typeOne")}</label>
        </fieldset>
        ${own && html`
          <${Field} id="new-password" label=${t("password")} help=${t("passwordHelp", { least: LEAST })} error=${errors.first} control=${input("first")} />
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
