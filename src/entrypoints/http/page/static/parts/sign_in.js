/* The sign-in form: as a page, or as a dialog when the session has ended. */
import { Problem, signIn } from "../lib/api.js";
import { html, useState } from "../lib/html.js";
import { translator } from "../lib/language.js";
import words from "../i18n/common.js";
import { Dialog } from "./dialog.js";
import { Field } from "./field.js";
import { Icon } from "./icon.js";
import { ErrorNotice } from "./states.js";

const t = translator(words);

export function SignInPage() {
  return html`
    <main class="sign-in" id="content">
      <div class="card">
        <h1><span class="brand-mark" aria-hidden="true"></span> PhotoChanger</h1>
        <${Form} />
      </div>
    </main>
  `;
}

export function SignInAgain({ username }) {
  return html`<${Dialog} title=${t("signIn")}><p>${t("signInAgain")}</p><${Form} username=${username} /><//>`;
}

function Form({ username = "" }) {
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
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
      <${Field} id="password" label=${t("password")} control=${input("password", "password", "current-password", "")} />
      <button class="button button-primary" disabled=${busy}><${Icon} name="key" /> ${t("signIn")}</button>
    </form>
  `;
}
