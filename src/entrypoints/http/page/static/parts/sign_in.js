/* The sign-in form: as a page, or as a dialog when the session has ended. */
import { Problem, signIn } from "../lib/api.js";
import { html, useState } from "../lib/html.js";
import { LANGUAGES, choose, language, translator } from "../lib/language.js";
import { useStore } from "../lib/store.js";
import common from "../i18n/common.js";
import words from "../i18n/sign_in.js";
import { Dialog } from "./dialog.js";
import { Field } from "./field.js";
import { Icon } from "./icon.js";
import { ErrorNotice } from "./states.js";

const t = translator(common);
const w = translator(words);

export function SignInPage() {
  return html`
    <main class="sign-in" id="content">
      <div class="card">
        <h1><span class="brand-mark" aria-hidden="true"></span> PhotoChanger</h1>
        <${Form} />
      </div>
      <${Languages} />
    </main>
  `;
}

/** The languages by their own names: a reader of one need not understand the other. */
function Languages() {
  const chosen = useStore(language);
  return html`
    <div class="sign-in-languages" role="group" aria-label=${t("language")}>
      ${Object.entries(LANGUAGES).map(([code, name]) => html`<button key=${code} type="button" class="button button-plain" lang=${code} aria-pressed=${code === chosen ? "true" : "false"} onClick=${() => choose(code)}>${name}</button>`)}
    </div>
  `;
}

export function SignInAgain({ username }) {
  return html`<${Dialog} title=${t("signIn")}><p>${t("signInAgain")}</p><${Form} username=${username} /><//>`;
}

function Form({ username = "" }) {
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const [shown, setShown] = useState(false);
  const onSubmit = async (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    setBusy(true);
    setProblem(null);
    try {
      await signIn(given.get("username"), given.get("password"));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
      setBusy(false);
    }
  };
  const input = (name, type, autocomplete, value) => (attributes) =>
    html`<input ...${attributes} name=${name} type=${type} autocomplete=${autocomplete} defaultValue=${value} required maxlength="1024" autofocus=${name === (username ? "password" : "username")} />`;
  return html`
    <form class="stack" method="post" onSubmit=${onSubmit}>
      ${problem && html`<${ErrorNotice} problem=${problem} />`}
      <${Field} id="username" label=${t("username")} control=${input("username", "text", "username", username)} />
      <div class="secret-input">
        <${Field} id="password" label=${t("password")} control=${input("password", shown ? "text" : "password", "current-password", "")} />
        <button type="button" class="button button-plain" onClick=${() => setShown(!shown)}><${Icon} name=${shown ? "hide" : "show"} /><span class="unseen">${w(shown ? "hidePassword" : "showPassword")}</span></button>
      </div>
      <button class="button button-primary" disabled=${busy}><${Icon} name="key" /> ${t("signIn")}</button>
    </form>
  `;
}
