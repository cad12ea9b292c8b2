/* Dialogs in which an administrator is added or changed. */
import { Problem, me, request, restoreSession } from "../../lib/api.js";
import { html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { errorOf, problemText } from "../../lib/messages.js";
import { CopyButton } from "../../parts/copy.js";
import { Dialog } from "../../parts/dialog.js";
import { Field } from "../../parts/field.js";
import { Icon } from "../../parts/icon.js";
import { ErrorNotice } from "../../parts/states.js";
import { toast } from "../../parts/toasts.js";
import common from "../../i18n/common.js";
import words from "../../i18n/settings_admins.js";

const t = translator(words);
const c = translator(common);

const ROLES = ["owner", "operator", "viewer"];
const FIELDS = ["username", "role", "disabled"];
const MAX_NAME_CHARS = 64;

function showProblem(error) {
  if (!(error instanceof Problem)) throw error;
  toast(problemText(error), "failed");
}

/** Sends a request of a dialog; `problem` is its failure, `run` returns the data or null. */
function useSending() {
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const run = async (method, path, json) => {
    setProblem(null);
    setBusy(true);
    try {
      return (await request(method, path, { json })).data;
    } catch (failed) {
      if (!(failed instanceof Problem)) throw failed;
      setProblem(failed);
      return null;
    } finally {
      setBusy(false);
    }
  };
  const other = problem && !FIELDS.some((field) => errorOf(problem, field)) ? problem : null;
  return { problem, other, busy, run };
}

export function NewAdmin({ onDone, onClose }) {
  const [username, setUsername] = useState("");
  const [role, setRole] = useState("operator");
  const [made, setMade] = useState(null);
  const { problem, other, busy, run } = useSending();
  const onSubmit = async (event) => {
    event.preventDefault();
    const data = await run("POST", "/api/admins", { username, role });
    if (data === null) return;
    setMade(data);
    onDone();
  };
  if (made !== null) return passwordDialog(made, onClose);
  const input = (attributes) =>
    html`<input ...${attributes} type="text" autocomplete="off" autocapitalize="none" spellcheck=${false} maxlength=${MAX_NAME_CHARS} disabled=${busy} value=${username} onInput=${(event) => setUsername(event.target.value)} />`;
  return html`
    <${Dialog} title=${t("newOne")} onClose=${busy ? undefined : onClose}>
      <form class="stack" noValidate onSubmit=${onSubmit}>
        ${other && html`<${ErrorNotice} problem=${other} />`}
        <${Field} id="admin-name" label=${t("name")} help=${t("nameHelp")} error=${errorOf(problem, "username")} control=${input} />
        <${RoleField} role=${role} setRole=${setRole} error=${errorOf(problem, "role")} busy=${busy} />
        <div class="actions">
          <button type="button" class="button" disabled=${busy} onClick=${onClose}>${c("cancel")}</button>
          <button class="button button-primary" disabled=${busy}>${t("addNow")}</button>
        </div>
      </form>
    <//>
  `;
}

export function ChangeAdmin({ admin, onDone, onClose }) {
  const [role, setRole] = useState(admin.role);
  const [disabled, setDisabled] = useState(admin.disabled_at !== null);
  const [asks, setAsks] = useState(false);
  const [made, setMade] = useState(null);
  const { problem, other, busy, run } = useSending();
  const path = `/api/admins/${encodeURIComponent(admin.username)}`;
  const isOwn = admin.username === me.get().username;
  const onSubmit = async (event) => {
    event.preventDefault();
    const change = role === "custom" ? { disabled } : { role, disabled };
    if ((await run("PATCH", path, change)) === null) return;
    toast(t("saved", { name: admin.username }));
    onClose();
    if (isOwn) await restoreSession().catch(showProblem);
    onDone();
  };
  const onReset = async () => {
    const data = await run("PATCH", path, { reset_password: true });
    setAsks(false);
    if (data === null) return;
    setMade(data);
    onDone();
  };
  if (made !== null) return passwordDialog(made, onClose);
  if (asks) {
    return html`
      <${Dialog} title=${t("resetTitle", { name: admin.username })} onClose=${busy ? undefined : () => setAsks(false)}>
        <p>${t("resetHelp", { name: admin.username })}</p>
        <div class="actions">
          <button type="button" class="button" disabled=${busy} onClick=${() => setAsks(false)}>${c("cancel")}</button>
          <button type="button" class="button button-danger" disabled=${busy} onClick=${onReset}>${t("resetNow")}</button>
        </div>
      <//>
    `;
  }
  return html`
    <${Dialog} title=${t("changeName", { name: admin.username })} onClose=${busy ? undefined : onClose}>
      <form class="stack" noValidate onSubmit=${onSubmit}>
        ${other && html`<${ErrorNotice} problem=${other} />`}
        <${RoleField} role=${role} setRole=${setRole} custom=${admin.role === "custom"} error=${errorOf(problem, "role")} busy=${busy} />
        <div class=${errorOf(problem, "disabled") ? "field field-wrong" : "field"}>
          <label class="check"><input type="checkbox" disabled=${busy} checked=${disabled} aria-describedby=${errorOf(problem, "disabled") ? "admin-disabled-error" : undefined} onChange=${(event) => setDisabled(event.target.checked)} /> ${t("mayNot")}</label>
          ${errorOf(problem, "disabled") && html`<p class="error" id="admin-disabled-error">${errorOf(problem, "disabled")}</p>`}
        </div>
        ${!isOwn && html`<div><button type="button" class="button" disabled=${busy} onClick=${() => setAsks(true)}><${Icon} name="key" /> ${t("reset")}</button></div>`}
        <div class="actions">
          <button type="button" class="button" disabled=${busy} onClick=${onClose}>${c("cancel")}</button>
          <button class="button button-primary" disabled=${busy}>${t("save")}</button>
        </div>
      </form>
    <//>
  `;
}

function RoleField({ role, setRole, custom, error, busy }) {
  const offered = custom ? [...ROLES, "custom"] : ROLES;
  const control = (attributes) => html`
    <select ...${attributes} disabled=${busy} value=${role} onChange=${(event) => setRole(event.target.value)}>
      ${offered.map((name) => html`<option key=${name} value=${name}>${t.of("role", name)}</option>`)}
    </select>
  `;
  return html`<${Field} id="admin-role" label=${t("role")} help=${t.of("can", role)} error=${error} control=${control} />`;
}

/** In place of the dialog that asked for it: no component of its own, as a dialog that is removed also closes. */
function passwordDialog(admin, onClose) {
  return html`
    <${Dialog} title=${t("passwordOf", { name: admin.username })} onClose=${onClose}>
      <div class="stack">
        <p>${t("passwordIs", { name: admin.username })}</p>
        <p class="secret-once"><code>${admin.password}</code></p>
        <p class="soft">${t("shownOnce")}</p>
        <div class="actions"><${CopyButton} text=${admin.password} /><button type="button" class="button button-primary" onClick=${onClose}>${t("noted")}</button></div>
      </div>
    <//>
  `;
}
