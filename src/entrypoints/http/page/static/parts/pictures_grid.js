/* Pictures in groups of ten minutes. */
import { address } from "../lib/api.js";
import { dateTime, isToday, time, timeExact } from "../lib/format.js";
import { html } from "../lib/html.js";
import { translator } from "../lib/language.js";
import words from "../i18n/pictures.js";

const t = translator(words);
const MINUTES = 10;

/** `chosen` is the set of selected job ids; `onOpen(item)`, `onChoose(item, isChosen)`. */
export function PicturesGrid({ items, chosen, onOpen, onChoose }) {
  return groups(items).map(({ begin, pictures }) => html`
    <section key=${begin.getTime()} class="pictures-group">
      <h2>${heading(begin)} <small class="soft">${pictures.length}</small></h2>
      <ul class="pictures-grid">
        ${pictures.map((item) => html`<${Tile} key=${item.job_id} item=${item} chosen=${chosen.has(item.job_id)} onOpen=${onOpen} onChoose=${onChoose} />`)}
      </ul>
    </section>
  `);
}

function Tile({ item, chosen, onOpen, onChoose }) {
  const named = { time: timeExact(item.completed_at), slot: item.slot_name };
  const hidden = item.visibility === "hidden";
  return html`
    <li class=${`tile${chosen ? " tile-chosen" : ""}${hidden ? " tile-hidden" : ""}`}>
      <button type="button" class="tile-picture" aria-label=${t("open", named)} onClick=${() => onOpen(item)}>
        <img src=${address(`/public/results/${item.job_id}/thumbnail`)} alt="" loading="lazy" decoding="async" />
      </button>
      <label class="tile-choice"><input type="checkbox" aria-label=${t("select", named)} checked=${chosen} onChange=${(event) => onChoose(item, event.target.checked)} /></label>
      <p class="tile-facts"><b>${time(item.completed_at)}</b> <span class="soft">${item.slot_name}</span></p>
      ${(hidden || item.result.outcome === "fallback") && html`<p class="tile-marks">${hidden && html`<span class="pill pill-mute">${t("hidden")}</span>`} ${item.result.outcome === "fallback" && html`<span class="pill pill-warn">${t("fallback")}</span>`}</p>`}
    </li>
  `;
}

function groups(items) {
  const found = [];
  for (const item of items) {
    const begin = new Date(item.completed_at);
    begin.setMinutes(begin.getMinutes() - (begin.getMinutes() % MINUTES), 0, 0);
    if (found.at(-1)?.begin.getTime() !== begin.getTime()) found.push({ begin, pictures: [] });
    found.at(-1).pictures.push(item);
  }
  return found;
}

const heading = (begin) => `${isToday(begin) ? time(begin) : dateTime(begin)} – ${time(new Date(begin.getTime() + MINUTES * 60_000))}`;
