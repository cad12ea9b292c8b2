/* The head of a slot: name, health, and the switch for on and off. */
import { Problem, get, me } from "../../lib/api.js";
import { html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { fieldErrorText, problemText, slotIssueText } from "../../lib/messages.js";
import { useLoad } from "../../lib/load.js";
import { useLiveReload } from "../../lib/live_reload.js";
import { Confirm } from "../../parts/dialog.js";
import { SlotPill } from "../../parts/states.js";
import { toast } from "../../parts/toasts.js";
import words from "../../i18n/slot.js";
import { changeStored } from "./stored.js";

const t = translator(words);

/** `onSwitched(slot, etag)` receives the stored slot and the version it is based on. */
export function Head({ id, slot, onSwitched }) {
  const { data, again } = useLoad(async (signal) => (await get("/api/overview", { signal })).items.find((one) => one.id === id), [id, slot.etag]);
  useLiveReload((event) => event.slot_id === id && event.event === "finalized", again);
  const [confirming, setConfirming] = useState(false);
  const [busy, setBusy] = useState(false);
  const mayWrite = me.get().permissions.includes("slots:write");
  const set = async (active) => {
    setConfirming(false);
    setBusy(true);
    try {
      const { stored, from } = await changeStored(id, { active });
      onSwitched(stored, from);
      toast(t(active ? "switchedOn" : "switchedOff"));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast(error.errors.length ? fieldErrorText(error.errors[0]) : problemText(error), "failed");
    } finally {
      setBusy(false);
    }
  };
  return html`
    <div class="page-head slot-head">
      <div>
        <h1>${slot.name}</h1>
        <p class="row"><span class="soft">${slot.id}</span>${data && html`<${SlotPill} state=${data.state} />`}</p>
        ${data && slot.active && data.reasons.length > 0 && html`<ul class="slot-reasons">${data.reasons.map((reason) => html`<li key=${reason.detail}>${slotIssueText(reason)}</li>`)}</ul>`}
      </div>
      <button type="button" class="switch" role="switch" aria-checked=${slot.active} disabled=${busy || !mayWrite} onClick=${() => (slot.active ? setConfirming(true) : set(true))}>
        <span class="switch-track" aria-hidden="true"></span>${t("takesPhotos")}
      </button>
      ${confirming && html`<${Confirm} title=${t("switchOffTitle", { name: slot.name })} text=${t("switchOffText")} yes=${t("switchOff")} dangerous onYes=${() => set(false)} onNo=${() => setConfirming(false)} />`}
    </div>
  `;
}
