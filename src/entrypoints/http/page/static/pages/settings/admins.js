/* Administrators: their roles, last sign-ins, and passwords that are generated and shown once. */
import { get, me } from "../../lib/api.js";
import { dateTime } from "../../lib/format.js";
import { html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { useLoad } from "../../lib/load.js";
import { useStore } from "../../lib/store.js";
import { Icon } from "../../parts/icon.js";
import { ErrorNotice, Loading } from "../../parts/states.js";
import words from "../../i18n/settings_admins.js";
import { ChangeAdmin, NewAdmin } from "./admin_dialogs.js";

const t = translator(words);

export function Admins() {
  const loaded = useLoad(async (signal) => (await get("/api/admins", { signal })).items);
  const [dialog, setDialog] = useState(null);
  const who = useStore(me);
  const may = who.permissions.includes("admins:write");
  const close = () => setDialog(null);
  return html`
    <section class="card">
      <h2>${t("title")}</h2>
      <p>${t("help")}</p>
      ${loaded.problem && html`<${ErrorNotice} problem=${loaded.problem} again=${loaded.again} />`}
      ${loaded.data === null
        ? !loaded.problem && html`<${Loading} />`
        : html`<${List} admins=${loaded.data} own=${who.username} onChange=${may && ((admin) => setDialog({ change: admin }))} />`}
      ${may && html`<div class="actions"><button type="button" class="button" onClick=${() => setDialog({ add: true })}><${Icon} name="plus" /> ${t("add")}</button></div>`}
      ${dialog?.add && html`<${NewAdmin} onDone=${loaded.again} onClose=${close} />`}
      ${dialog?.change && html`<${ChangeAdmin} admin=${dialog.change} onDone=${loaded.again} onClose=${close} />`}
    </section>
  `;
}

function List({ admins, own, onChange }) {
  return html`
    <div class="stack">
      <table class="table-cards">
        <thead><tr><th scope="col">${t("name")}</th><th scope="col">${t("role")}</th><th scope="col">${t("lastSignIn")}</th><th scope="col">${t("state")}</th>${onChange && html`<td></td>`}</tr></thead>
        <tbody>
          ${admins.map((admin) => html`
            <tr key=${admin.username}>
              <th scope="row">${admin.username}${admin.username === own && html` <span class="soft">${t("you")}</span>`}</th>
              <td>${t.of("role", admin.role)}${admin.role === "custom" && html`<span class="soft admin-permissions">${admin.permissions.join(", ")}</span>`}</td>
              <td class="soft">${admin.last_login_at ? dateTime(admin.last_login_at) : t("never")}</td>
              <td>${admin.disabled_at ? html`<span class="pill pill-mute">${t("disabled")}</span>` : html`<span class="pill pill-good">${t("enabled")}</span>`}</td>
              ${onChange && html`<td><button type="button" class="button" aria-label=${t("changeName", { name: admin.username })} onClick=${() => onChange(admin)}>${t("change")}</button></td>`}
            </tr>
          `)}
        </tbody>
      </table>
    </div>
  `;
}
