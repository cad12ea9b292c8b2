/* The template pictures of a slot: for each role one, chosen from those that there are or brought along from this machine. */
import { Problem, address, ask, get, me } from "../../lib/api.js";
import { bytes } from "../../lib/format.js";
import { html, useRef, useState } from "../../lib/html.js";
import { say } from "../../lib/language.js";
import { useLoad } from "../../lib/load.js";
import { Confirm, Dialog } from "../../parts/dialog.js";
import { Icon } from "../../parts/icon.js";
import { Empty, Loading, Trouble } from "../../parts/states.js";
import { toast } from "../../parts/toasts.js";
import { tell, tellValue } from "../../i18n/providers.js";
import words from "../../i18n/slot.js";
import { useDrop } from "./drop.js";

const t = say(words);

/** `roles` maps a setting key to the operations that take it; `bindings` are the document's. */
export function TemplatePickers({ roles, bindings, error, onChange }) {
  const may = me.get().permissions;
  const { data, problem, again } = useLoad(async (signal) => (may.includes("media:read") ? (await get("/api/template-media", { signal })).items : []));
  const stray = bindings.filter(({ setting_key }) => !roles.has(setting_key)).map(({ setting_key }) => [setting_key, null]);
  if (!may.includes("media:read")) return html`<p class="soft">${t("templatesNotAllowed")}</p>`;
  if (roles.size === 0 && stray.length === 0) return html`<p class="soft">${t("noRoles")}</p>`;
  const bind = (role, media_id) => onChange([...bindings.filter(({ setting_key }) => setting_key !== role), ...(media_id ? [{ setting_key: role, media_id }] : [])]);
  return html`
    ${problem && html`<${Trouble} problem=${problem} again=${again} />`}
    <div class="template-roles">
      ${[...roles, ...stray].map(([role, takers]) => {
        const place = bindings.findIndex(({ setting_key }) => setting_key === role);
        const wrong = place < 0 ? null : (error(`templates.${place}.media_id`) ?? error(`templates.${place}.setting_key`) ?? error(`templates.${place}`));
        return html`<${Role} key=${role} role=${role} takers=${takers} bound=${place < 0 ? null : bindings[place].media_id} templates=${data} wrong=${wrong} again=${again} onBind=${(id) => bind(role, id)} />`;
      })}
    </div>
  `;
}

function Role({ role, takers, bound, templates, wrong, again, onBind }) {
  const [picking, setPicking] = useState(false);
  const { busy, trouble, upload } = useUpload(again, onBind);
  const drop = useDrop(takers && me.get().permissions.includes("media:write") ? upload : null);
  const template = templates?.find(({ id }) => id === bound);
  return html`
    <section class=${drop.over ? "template-role drop-over" : "template-role"} ...${drop.events} aria-label=${t("templateOf", { role: tellValue(role) })}>
      ${bound ? html`<img src=${address(`/api/template-media/${bound}/thumbnail`)} alt="" />` : html`<span class="template-none"><${Icon} name="photo" size=${28} /></span>`}
      <div>
        <h3>${tellValue(role)}</h3>
        <p class="soft">${takers ? t("usedBy", { names: [...takers].map(tell).join(", ") }) : t("roleUnused")}</p>
        ${bound ? html`<p class="template-name">${template?.name ?? (templates && t("templateGone"))}</p>` : html`<p class="soft">${t("dropTemplate")}</p>`}
        ${wrong && html`<p class="error">${wrong}</p>`}
        ${trouble && html`<p class="error" role="alert">${trouble}</p>`}
        <div class="row">
          ${takers && html`<button type="button" class="button" disabled=${busy} onClick=${() => setPicking(true)}>${busy ? t("uploading") : t(bound ? "change" : "choose")}<span class="unseen"> ${tellValue(role)}</span></button>`}
          ${bound && html`<button type="button" class="button" onClick=${() => onBind(null)}>${t("unbind")}<span class="unseen"> ${tellValue(role)}</span></button>`}
        </div>
      </div>
      ${picking && html`<${Picker} role=${role} bound=${bound} templates=${templates} again=${again} onClose=${() => setPicking(false)} onBind=${(id) => { onBind(id); setPicking(false); }} />`}
    </section>
  `;
}

/** Bring a file along: it is kept at once, and bound when the slot is saved. */
function useUpload(again, onKept) {
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState(null);
  const upload = async (file) => {
    const form = new FormData();
    form.append("name", file.name.replace(/\.[^.]*$/, "").slice(0, 100) || "Template");
    form.append("fileToUpload", file);
    setBusy(true);
    setTrouble(null);
    try {
      const { data } = await ask("POST", "/api/template-media/register", { form });
      again();
      onKept(data.id);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setTrouble(error.message || t("notUploaded"));
    } finally {
      setBusy(false);
    }
  };
  return { busy, trouble, upload };
}

function Picker({ role, bound, templates, again, onClose, onBind }) {
  const { busy, trouble, upload } = useUpload(again, onBind);
  const [removing, setRemoving] = useState(null);
  const input = useRef(null);
  const mayWrite = me.get().permissions.includes("media:write");
  const drop = useDrop(mayWrite ? upload : null);
  const remove = async (template, force) => {
    try {
      await ask("DELETE", `/api/template-media/${template.id}`, { query: { force: force || null } });
      setRemoving(null);
      if (template.id === bound) onBind(null);
      again();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status === 409 && !force) setRemoving({ template, slots: error.slots });
      else toast(error.message, "failed");
    }
  };
  return html`
    <${Dialog} title=${t("pickTemplate", { role: tellValue(role) })} wide onClose=${onClose}>
      ${mayWrite && html`
        <div class=${drop.over ? "drop drop-over" : "drop"} ...${drop.events}>
          <p>${busy ? t("uploading") : t("dropTemplate")}</p>
          <button type="button" class="button" disabled=${busy} onClick=${() => input.current.click()}><${Icon} name="plus" /> ${t("chooseFile")}</button>
          <input ref=${input} class="unseen" type="file" accept="image/*" tabindex="-1" aria-label=${t("chooseFile")} onChange=${(event) => event.target.files[0] && upload(event.target.files[0])} />
          ${trouble && html`<p class="error" role="alert">${trouble}</p>`}
        </div>
      `}
      ${templates === null ? html`<${Loading} />` : templates.length === 0 ? html`<${Empty}>${t("noTemplates")}<//>` : null}
      <ul class="template-grid">
        ${(templates ?? []).map((template) => html`
          <li key=${template.id}>
            <button type="button" class="template-pick" aria-pressed=${template.id === bound} onClick=${() => onBind(template.id)}>
              <img src=${address(`/api/template-media/${template.id}/thumbnail`)} alt="" loading="lazy" />
              <span>${template.name}</span>
              <small class="soft">${template.width} × ${template.height}, ${bytes(template.size_bytes)}</small>
            </button>
            ${mayWrite && html`<button type="button" class="button button-plain" aria-label=${t("deleteTemplate", { name: template.name })} onClick=${() => setRemoving({ template, slots: [] })}><${Icon} name="trash" /></button>`}
          </li>
        `)}
      </ul>
      ${removing && html`<${Confirm} title=${t("deleteTemplate", { name: removing.template.name })} text=${removing.slots.length ? t("deleteTemplateUsed", { slots: removing.slots.join(", ") }) : t("deleteTemplateText")} yes=${t("deleteForGood")} dangerous onNo=${() => setRemoving(null)} onYes=${() => remove(removing.template, removing.slots.length > 0)} />`}
    <//>
  `;
}
