/* Ingest keys: one for each booth, shown once. */
import { Problem, get, me, request } from "../../lib/api.js";
import { dateTime } from "../../lib/format.js";
import { html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { useLoad } from "../../lib/load.js";
import { errorOf, problemText } from "../../lib/messages.js";
import { CopyButton } from "../../parts/copy.js";
import { Confirm, Dialog } from "../../parts/dialog.js";
import { Field } from "../../parts/field.js";
import { Icon } from "../../parts/icon.js";
import { ErrorNotice, Loading } from "../../parts/states.js";
import { toast } from "../../parts/toasts.js";
import common from "../../i18n/common.js";
import words from "../../i18n/settings_ingest_keys.js";
import { actorName } from "./actors.js";

const t = translator(words);
const c = translator(common);

const MAX_NAME_CHARS = 100;
const FIRST_SLOT = "slot-001";

export function IngestKeys() {
  const loaded = useLoad(async (signal) => (await get("/api/ingest-keys", { signal })).items);
  const [dialog, setDialog] = useState(null);
  const may = me.get().permissions.includes("settings:write");
  const close = () => setDialog(null);
  return html`
    <section class="card">
      <h2>${t("title")}</h2>
      <p>${t("help")}</p>
      ${loaded.problem && html`<${ErrorNotice} problem=${loaded.problem} again=${loaded.again} />`}
      ${loaded.data === null ? !loaded.problem && html`<${Loading} />` : html`<${Keys} keys=${loaded.data} onRevoke=${may && ((key) => setDialog({ revoke: key }))} />`}
      ${may && html`<div class="actions"><button type="button" class="button" onClick=${() => setDialog({ add: true })}><${Icon} name="key" /> ${t("add")}</button></div>`}
      ${dialog?.add && html`<${NewKey} onDone=${loaded.again} onClose=${close} />`}
      ${dialog?.revoke && html`<${Revoke} of=${dialog.revoke} onDone=${loaded.again} onClose=${close} />`}
    </section>
  `;
}

function Keys({ keys, onRevoke }) {
  if (!keys.length) return html`<p class="soft">${t("none")}</p>`;
  return html`
    <div class="stack">
      <table class="table-cards">
        <thead><tr><th scope="col">${t("booth")}</th><th scope="col">${t("lastPhoto")}</th><th scope="col">${t("added")}</th>${onRevoke && html`<td></td>`}</tr></thead>
        <tbody>
          ${keys.map((key) => html`
            <tr key=${key.id}>
              <th scope="row">${key.name}</th>
              <td>${key.last_use ? t("toSlot", { when: dateTime(key.last_use.at), slot: key.last_use.slot_id, address: key.last_use.address }) : html`<span class="soft">${t("never")}</span>`}</td>
              <td class="soft">${t("addedBy", { when: dateTime(key.created_at), who: actorName(key.created_by) })}</td>
              ${onRevoke && html`<td><button type="button" class="button" aria-label=${t("revokeTitle", { name: key.name })} onClick=${() => onRevoke(key)}>${t("revoke")}</button></td>`}
            </tr>
          `)}
        </tbody>
      </table>
    </div>
  `;
}

function NewKey({ onDone, onClose }) {
  const [name, setName] = useState("");
  const [error, setError] = useState(null);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const [made, setMade] = useState(null);
  const onSubmit = async (event) => {
    event.preventDefault();
    setError(null);
    setProblem(null);
    setBusy(true);
    try {
      const { data } = await request("POST", "/api/ingest-keys", { json: { name } });
      setMade({ ...data, address: data.ingest_url.replace("{slot_id}", FIRST_SLOT) });
      onDone();
    } catch (failed) {
      if (!(failed instanceof Problem)) throw failed;
      const nameError = errorOf(failed, "name");
      if (nameError) setError(nameError);
      else setProblem(failed);
    } finally {
      setBusy(false);
    }
  };
  if (made !== null) {
    return html`
      <${Dialog} title=${t("newKey")} onClose=${onClose}>
        <div class="stack">
          <p>${t("keyOf", { name: made.name })}</p>
          <p class="secret-once"><code>${made.key}</code></p>
          <p class="soft">${t("shownOnce")}</p>
          <div class="actions"><${CopyButton} text=${made.key} /></div>
          <p>${t("address")}</p>
          <p class="secret-once"><code>${made.address}</code></p>
          <p class="soft">${t("addressOtherSlot")}</p>
          <div class="actions"><${CopyButton} text=${made.address} /><button type="button" class="button button-primary" onClick=${onClose}>${t("noted")}</button></div>
        </div>
      <//>
    `;
  }
  const input = (attributes) =>
    html`<input ...${attributes} type="text" autocomplete="off" maxlength=${MAX_NAME_CHARS} value=${name} onInput=${(event) => setName(event.target.value)} />`;
  return html`
    <${Dialog} title=${t("newKey")} onClose=${onClose}>
      <form class="stack" noValidate onSubmit=${onSubmit}>
        ${problem && html`<${ErrorNotice} problem=${problem} />`}
        <${Field} id="booth-name" label=${t("name")} help=${t("nameHelp")} error=${error} control=${input} />
        <div class="actions">
          <button type="button" class="button" onClick=${onClose}>${c("cancel")}</button>
          <button class="button button-primary" disabled=${busy}>${t("make")}</button>
        </div>
      </form>
    <//>
  `;
}

function Revoke({ of: key, onDone, onClose }) {
  const revoke = async () => {
    try {
      await request("DELETE", `/api/ingest-keys/${key.id}`);
      toast(t("revoked", { name: key.name }));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast(problemText(error), "failed");
    }
    onDone();
    onClose();
  };
  return html`<${Confirm} title=${t("revokeTitle", { name: key.name })} text=${t("revokeHelp")} yes=${t("revokeNow")} dangerous=${true} onYes=${revoke} onNo=${onClose} />`;
}
