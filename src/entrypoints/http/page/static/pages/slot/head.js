/* The head of a slot: what it is called, how it is, and the switch that turns it on and off at once. */
import { Problem, ask, get, me } from "../../lib/api.js";
import { html, useState } from "../../lib/html.js";
import { say } from "../../lib/language.js";
import { useLoad } from "../../lib/load.js";
import { useLiveAgain } from "../../lib/throttle.js";
import { Confirm } from "../../parts/dialog.js";
import { SlotPill } from "../../parts/states.js";
import { toast } from "../../parts/toasts.js";
import words from "../../i18n/slot.js";
import { inOurWords } from "../../i18n/told.js";
import { documentOf, draftOf } from "./draft.js";

const t = say(words);

/** `onSwitched(slot, etag)` gets the slot as it was stored, and the version that it was made from. */
export function Head({ id, slot, onSwitched }) {
  const { data, again } = useLoad(async (signal) => (await get("/api/overview", { signal })).items.find((one) => one.id === id), [id, slot.etag]);
  useLiveAgain((event) => event.slot_id === id && event.event === "finalized", again);
  const [asks, setAsks] = useState(false);
  const [busy, setBusy] = useState(false);
  const mayWrite = me.get().permissions.includes("slots:write");
  const set = async (active) => {
    setAsks(false);
    setBusy(true);
    try {
      // Only the switch is turned, on the slot as it is stored: what else is being changed here waits until it is saved.
      const now = await get(`/api/slots/${id}`);
      const { data: stored } = await ask("PUT", `/api/slots/${id}`, { json: { ...documentOf(draftOf(now)), active }, headers: { "If-Match": now.etag } });
      onSwitched(stored, now.etag);
      toast(t(active ? "switchedOn" : "switchedOff"));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast(inOurWords(error.errors[0]?.detail ?? error.message), "failed");
    } finally {
      setBusy(false);
    }
  };
  return html`
    <div class="page-head slot-head">
      <div>
        <h1>${slot.name}</h1>
        <p class="row"><span class="soft">${slot.id}</span>${data && html`<${SlotPill} state=${data.state} />`}</p>
        ${data && slot.active && data.reasons.length > 0 && html`<ul class="slot-reasons">${data.reasons.map((reason) => html`<li key=${reason}>${inOurWords(reason)}</li>`)}</ul>`}
      </div>
      <button type="button" class="switch" role="switch" aria-checked=${slot.active} disabled=${busy || !mayWrite} onClick=${() => (slot.active ? setAsks(true) : set(true))}>
        <span class="switch-track" aria-hidden="true"></span>${t("takesPhotos")}
      </button>
      ${asks && html`<${Confirm} title=${t("switchOffTitle", { name: slot.name })} text=${t("switchOffText")} yes=${t("switchOff")} dangerous onYes=${() => set(false)} onNo=${() => setAsks(false)} />`}
    </div>
  `;
}
