/* The templates of a slot: one for each role, chosen from the library or uploaded. */
import { Problem, address, request, get, me } from "../../lib/api.js";
import { bytes } from "../../lib/format.js";
import { html, useRef, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { problemText } from "../../lib/messages.js";
import { useLoad } from "../../lib/load.js";
import { Confirm, Dialog } from "../../parts/dialog.js";
import { Icon } from "../../parts/icon.js";
import { Empty, Loading, ErrorNotice } from "../../parts/states.js";
import { toast } from "../../parts/toasts.js";
import { providerText, settingLabel } from "../../i18n/providers.js";
import words from "../../i18n/slot.js";
import { useDrop } from "./drop.js";

const t = translator(words);

/** `roles` maps a setting key to the operations that use it; `bindings` are the document's. */
export function TemplatePickers({ roles, bindings, error, onChange }) {
  const may = me.get().permissions;
  const { data, problem, again } = useLoad(async (signal) => (may.includes("media:read") ? (await get("/api/template-media", { signal })).items : []));
  const stray = bindings.filter(({ setting_key }) => !roles.has(setting_key)).map(({ setting_key }) => [setting_key, null]);
  if (!may.includes("media:read")) return html`<p class="soft">${t("templatesNotAllowed")}</p>`;
  if (roles.size === 0 && stray.length === 0) return html`<p class="soft">${t("noRoles")}</p>`;
  const bind = (role, media_id) => onChange([...bindings.filter(({ setting_key }) => setting_key !== role), ...(media_id ? [{ setting_key: role, media_id }] : [])]);
  return html`
    ${problem && html`<${ErrorNotice} problem=${problem} again=${again} />`}
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
  const { busy, uploadError, upload } = useUpload(again, onBind);
  const drop = useDrop(takers && me.get().permissions.includes("media:write") ? upload : null);
  const template = templates?.find(({ id }) => id === bound);
  return html`
    <section class=${drop.over ? "template-role drop-over" : "template-role"} ...${drop.events} aria-label=${t("templateOf", { role: settingLabel(role) })}>
      ${bound ? html`<img src=${address(`/api/template-media/${bound}/thumbnail`)} alt="" />` : html`<span class="template-none"><${Icon} name="photo" size=${28} /></span>`}
      <div>
        <h3>${settingLabel(role)}</h3>
        <p class="soft">${takers ? t("usedBy", { names: [...takers].map(providerText).join(", ") }) : t("roleUnused")}</p>
        ${bound ? html`<p class="template-name">${template?.name ?? (templates && t("templateGone"))}</p>` : html`<p class="soft">${t("dropTemplate")}</p>`}
        ${wrong && html`<p class="error">${wrong}</p>`}
        ${uploadError && html`<p class="error" role="alert">${uploadError}</p>`}
        <div class="row">
          ${takers && html`<button type="button" class="button" disabled=${busy} onClick=${() => setPicking(true)}>${busy ? t("uploading") : t(bound ? "change" : "choose")}<span class="unseen"> ${settingLabel(role)}</span></button>`}
          ${bound && html`<button type="button" class="button" onClick=${() => onBind(null)}>${t("unbind")}<span class="unseen"> ${settingLabel(role)}</span></button>`}
        </div>
      </div>
      ${picking && html`<${Picker} role=${role} bound=${bound} templates=${templates} again=${again} onClose=${() => setPicking(false)} onBind=${(id) => { onBind(id); setPicking(false); }} />`}
    </section>
  `;
}

/** Upload a file: it is stored immediately, and bound when the slot is saved. */
function useUpload(again, onKept) {
  const [busy, setBusy] = useState(false);
  const [uploadError, setUploadError] = useState(null);
  const upload = async (file) => {
    const form = new FormData();
    form.append("name", file.name.replace(/\.[^.]*$/, "").slice(0, 100) || "Template");
    form.append("fileToUpload", file);
    setBusy(true);
    setUploadError(null);
    try {
      const { data } = await request("POST", "/api/template-media/register", { form });
      again();
      onKept(data.id);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setUploadError(problemText(error));
    } finally {
      setBusy(false);
    }
  };
  return { busy, uploadError, upload };
}

function Picker({ role, bound, templates, again, onClose, onBind }) {
  const { busy, uploadError, upload } = useUpload(again, onBind);
  const [removing, setRemoving] = useState(null);
  const input = useRef(null);
  const mayWrite = me.get().permissions.includes("media:write");
  const drop = useDrop(mayWrite ? upload : null);
  const remove = async (template, force) => {
    try {
      await request("DELETE", `/api/template-media/${template.id}`, { query: { force: force || null } });
      setRemoving(null);
      if (template.id === bound) onBind(null);
      again();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status === 409 && !force) setRemoving({ template, slots: error.slots });
      else toast(problemText(error), "failed");
    }
  };
  return html`
    <${Dialog} title=${t("pickTemplate", { role: settingLabel(role) })} wide onClose=${onClose}>
      ${mayWrite && html`
        <div class=${drop.over ? "drop drop-over" : "drop"} ...${drop.events}>
          <p>${busy ? t("uploading") : t("dropTemplate")}</p>
          <button type="button" class="button" disabled=${busy} onClick=${() => input.current.click()}><${Icon} name="plus" /> ${t("chooseFile")}</button>
          <input ref=${input} class="unseen" type="file" accept="image/*" tabindex="-1" aria-label=${t("chooseFile")} onChange=${(event) => event.target.files[0] && upload(event.target.files[0])} />
          ${uploadError && html`<p class="error" role="alert">${uploadError}</p>`}
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
