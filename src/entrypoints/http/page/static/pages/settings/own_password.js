/* Change the own password: this session goes on, all others end. */
import { Problem, request } from "../../lib/api.js";
import { html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { errorOf } from "../../lib/messages.js";
import { Dialog } from "../../parts/dialog.js";
import { Field } from "../../parts/field.js";
import { ErrorNotice } from "../../parts/states.js";
import { toast } from "../../parts/toasts.js";
import common from "../../i18n/common.js";
import words from "../../i18n/settings_admins.js";

const t = translator(words);
const c = translator(common);

const MIN_CHARS = 10;

export function OwnPassword({ username, onClose }) {
  const [typed, setTyped] = useState({ current: "", fresh: "", again: "" });
  const [differs, setDiffers] = useState(false);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const onSubmit = async (event) => {
    event.preventDefault();
    setProblem(null);
    setDiffers(typed.fresh !== typed.again);
    if (typed.fresh !== typed.again) return;
    setBusy(true);
    try {
      await request("PUT", "/api/me/password", { json: { current_password: typed.current, new_password: typed.fresh } });
      toast(t("changed"));
      onClose();
    } catch (failed) {
      if (!(failed instanceof Problem)) throw failed;
      setProblem(failed);
    } finally {
      setBusy(false);
    }
  };
  const input = (name, autocomplete) => (attributes) =>
    html`<input ...${attributes} type="password" autocomplete=${autocomplete} maxlength="1024" disabled=${busy} value=${typed[name]} onInput=${(event) => setTyped({ ...typed, [name]: event.target.value })} />`;
  const [currentError, freshError] = [errorOf(problem, "current_password"), errorOf(problem, "new_password")];
  return html`
    <${Dialog} title=${t("ownTitle")} onClose=${busy ? undefined : onClose}>
      <form class="stack" noValidate onSubmit=${onSubmit}>
        ${problem && !currentError && !freshError && html`<${ErrorNotice} problem=${problem} />`}
        <input type="text" class="unseen" autocomplete="username" value=${username} readonly tabindex="-1" aria-hidden="true" />
        <${Field} id="current-password" label=${t("current")} error=${currentError} control=${input("current", "current-password")} />
        <${Field} id="fresh-password" label=${t("fresh")} help=${t("freshHelp", { least: MIN_CHARS })} error=${freshError} control=${input("fresh", "new-password")} />
        <${Field} id="again-password" label=${t("again")} error=${differs ? t("different") : null} control=${input("again", "new-password")} />
        <p class="notice">${t("ownHelp")}</p>
        <div class="actions">
          <button type="button" class="button" disabled=${busy} onClick=${onClose}>${c("cancel")}</button>
          <button class="button button-primary" disabled=${busy}>${t("changeNow")}</button>
        </div>
      </form>
    <//>
  `;
}
