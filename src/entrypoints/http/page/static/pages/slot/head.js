/* The head of a slot: name, health, and the switch for on and off. */
import { get } from "../../lib/api.js";
import { html } from "../../lib/html.js";
import { slotIssueText } from "../../lib/messages.js";
import { useLoad } from "../../lib/load.js";
import { useLiveReload } from "../../lib/live_reload.js";
import { useProviderNames } from "../../parts/provider_names.js";
import { SlotSwitch } from "../../parts/slot_switch.js";
import { SlotPill } from "../../parts/states.js";

/** `onSwitched(slot, etag)` receives the stored slot and the version it is based on. */
export function Head({ id, slot, onSwitched }) {
  const { data, again } = useLoad(async (signal) => (await get("/api/overview", { query: { slot_id: id }, signal })).items[0], [id, slot.etag]);
  useLiveReload((event) => event.slot_id === id && event.event === "finalized", again);
  const names = useProviderNames();
  return html`
    <div class="page-head slot-head">
      <div>
        <h1>${slot.name}</h1>
        <p class="row"><span class="soft">${slot.id}</span>${data && html`<${SlotPill} state=${data.state} />`}</p>
        ${data && slot.active && data.reasons.length > 0 && html`<ul class="slot-reasons">${data.reasons.map((reason) => html`<li key=${reason.detail}>${slotIssueText(reason, names)}</li>`)}</ul>`}
      </div>
      <${SlotSwitch} slot=${slot} onSwitched=${onSwitched} />
    </div>
  `;
}
