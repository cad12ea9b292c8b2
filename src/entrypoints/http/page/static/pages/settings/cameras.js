/* Which cameras have sent the right password since it was changed, as far as their last requests show. */
import { get } from "../../lib/api.js";
import { ago } from "../../lib/format.js";
import { html } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { useInterval, useLoad } from "../../lib/load.js";
import { to } from "../../lib/route.js";
import { Loading, Pill, ErrorNotice } from "../../parts/states.js";
import words from "../../i18n/settings_cameras.js";

const t = translator(words);
const LOOK_MS = 3000;
const TONES = { wrong: "bad", missing: "bad", silent: "mute", right: "good" };
const ORDER = Object.keys(TONES);

/** `changedAt` is when the password was changed, by the service's clock. */
export function Cameras({ changedAt }) {
  const { data, problem, again } = useLoad(async (signal) => {
    const [slots, requests] = await Promise.all([get("/api/slots", { signal }), get("/api/last-requests", { signal })]);
    return camerasOf(slots.items, requests.items, changedAt);
  }, [changedAt]);
  useInterval(LOOK_MS, again);
  if (data === null) return problem ? html`<${ErrorNotice} problem=${problem} again=${again} />` : html`<${Loading} />`;
  if (data.length === 0) return html`<p class="soft">${t("noneActive")}</p>`;
  return html`
    <ul class="health-list cameras" aria-label=${t("cameras")}>
      ${data.map(({ slot, state, seen }) => html`
        <li key=${slot.id} class="row row-apart">
          <span><a href=${`${to("slots", slot.id)}?tab=connect`}>${slot.name}</a>${seen && html` <span class="soft">${seen.address}, ${ago(seen.received_at)}</span>`}</span>
          <${Pill} tone=${TONES[state]}>${t.of("camera", state)}<//>
        </li>
      `)}
    </ul>
  `;
}

/** The active slots that accept the general password, those with a wrong one first. */
function camerasOf(slots, requests, changedAt) {
  const last = new Map(requests.map((one) => [one.slot_id, one]));
  return slots
    .filter((slot) => slot.active && !slot.ingest_password_set)
    .map((slot) => {
      const seen = last.get(slot.id);
      const since = seen && new Date(seen.received_at) >= new Date(changedAt) ? seen : null;
      return { slot, seen: since, state: since && since.password in TONES ? since.password : "silent" };
    })
    .toSorted((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state));
}
