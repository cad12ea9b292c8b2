/* The pictures of all slots, live: by time and slot, one by one, printed, hidden, or many as one file. */
import { Problem, requestBlob } from "../lib/api.js";
import { saveBlob } from "../lib/csv.js";
import { html, useCallback, useEffect, useMemo, useState } from "../lib/html.js";
import { translator } from "../lib/language.js";
import { useLive } from "../lib/live.js";
import { problemText } from "../lib/messages.js";
import { route, setQuery } from "../lib/route.js";
import { useStore } from "../lib/store.js";
import { Icon } from "../parts/icon.js";
import { ListEnd } from "../parts/long_list/end.js";
import { useFeed } from "../parts/long_list/feed.js";
import { FreshButton } from "../parts/long_list/fresh.js";
import { Lightbox } from "../parts/picture/lightbox.js";
import { GROUP_MINUTES, PicturesGrid } from "../parts/pictures_grid.js";
import { useSlots } from "../parts/slot_names.js";
import { Empty, ErrorNotice, Loading } from "../parts/states.js";
import { toast } from "../parts/toasts.js";
import words from "../i18n/pictures.js";

const t = translator(words);

const FIRST = 60;
const PAUSE_MS = 1000;
const CHANGES = new Set(["finalized", "rescued", "visibility", "erased"]);
const MOST_IN_A_FILE = 5000;
const NEAR_END = 3;
const MINUTE_MS = 60_000;
const EVENING_FROM_HOUR = 12;

const RANGES = {
  quarter: () => new Date(Date.now() - 15 * MINUTE_MS),
  hour: () => new Date(Date.now() - 60 * MINUTE_MS),
  tonight: evening,
  all: () => null,
};

/** The last noon: an evening goes on after midnight. */
function evening() {
  const begin = new Date();
  if (begin.getHours() < EVENING_FROM_HOUR) begin.setDate(begin.getDate() - 1);
  begin.setHours(EVENING_FROM_HOUR, 0, 0, 0);
  return begin;
}

/** The end of the ten minutes of a group that hold this local time, as 2026-05-01T20:15; null if it is none. */
function endOfGroup(text) {
  const at = new Date(text ?? "");
  if (Number.isNaN(at.getTime())) return null;
  at.setMinutes(at.getMinutes() - (at.getMinutes() % GROUP_MINUTES) + GROUP_MINUTES, 0, 0);
  return at;
}

/** When it was this time of day last, as a local time for the URL. */
function lastTime(text) {
  const [hours, minutes] = text.split(":").map(Number);
  const at = new Date();
  at.setHours(hours, minutes, 0, 0);
  if (at > new Date()) at.setDate(at.getDate() - 1);
  return `${[at.getFullYear(), at.getMonth() + 1, at.getDate()].map((part) => String(part).padStart(2, "0")).join("-")}T${text}`;
}

/** The pictures of a slot (null: of all) in a range, up to a time (null: to the newest), as `useFeed` takes them. */
function source(slot, range, until) {
  return {
    key: `pictures ${slot} ${range} ${until?.toISOString()}`,
    path: "/api/results",
    query: () => ({ slot_id: slot, from: RANGES[range]()?.toISOString(), to: until?.toISOString() }),
    first: FIRST,
    one: (id) => `/api/results/${id}`,
    received: (item) => item,
    isHeld: (item) => RANGES[range] === RANGES.all || new Date(item.completed_at) >= RANGES[range](),
    newestFirst: true,
    slides: range !== "all",
    pause: PAUSE_MS,
    matters: (event) => CHANGES.has(event.event) && (slot === null || event.slot_id === slot),
  };
}

export default function Pictures() {
  const { query } = useStore(route);
  const slots = useSlots();
  const until = endOfGroup(query.at);
  const range = until === null && Object.hasOwn(RANGES, query.range) ? query.range : "all";
  const slot = query.slot || null;
  const [chosen, setChosen] = useState(new Set());
  const [open, setOpen] = useState(null);
  // What is selected or looked at stays in the list.
  const feed = useFeed(source(slot, range, until), () => chosen.size === 0 && open === null);
  const { items, next, problem, busy, more, again, put, drop } = feed;
  useLive((kind, event) => kind === "job" && event.event === "erased" && drop(event.job_id));
  useEffect(() => setChosen(new Set()), [range, slot, query.at]);
  const shownChosen = useMemo(() => (items ?? []).filter((one) => chosen.has(one.job_id)), [items, chosen]);
  const onChoose = useCallback((item, isChosen) => setChosen((before) => new Set(isChosen ? [...before, item.job_id] : [...before].filter((id) => id !== item.job_id))), []);
  const shown = items !== null && t(next === null ? "shown" : "shownMore", { n: items.length });
  return html`
    <div class="page-head">
      <h1>${t("title")}</h1>
      ${items !== null && html`<p class="soft">${shown}</p>`}
    </div>
    <${Controls} range=${range} at=${until && query.at} slot=${slot} slots=${slots} />
    ${problem && html`<${ErrorNotice} problem=${problem} again=${again} />`}
    <div class="pictures-bar">
      ${shownChosen.length > 0 && html`<${Selection} items=${items} chosen=${shownChosen} setChosen=${setChosen} />`}
      <${FreshButton} feed=${feed} words=${t} />
    </div>
    ${items === null ? !problem && html`<${Loading} />` : items.length === 0 ? html`<${Empty}>${range === "all" && slot === null && until === null ? t("empty") : t("emptyFiltered")}<//>` : html`
      ${shownChosen.length === 0 && html`<${Selection} items=${items} chosen=${shownChosen} setChosen=${setChosen} />`}
      <${PicturesGrid} feed=${feed} chosen=${chosen} onOpen=${setOpen} onChoose=${onChoose} />
      <${ListEnd} feed=${feed} shown=${shown} />
    `}
    ${open && html`<${Viewer} items=${items ?? []} open=${open} onOpen=${setOpen} put=${put} drop=${drop} hasMore=${next !== null} more=${next && !busy ? more : null} />`}
  `;
}

function Controls({ range, at, slot, slots }) {
  const onTime = (event) => setQuery(event.target.value ? { at: lastTime(event.target.value), range: null } : { at: null });
  return html`
    <div class="pictures-controls">
      <div class="row" role="group" aria-label=${t("range")}>
        ${Object.keys(RANGES).map((name) => html`<button key=${name} type="button" class=${`button${name === range && !at ? " button-primary" : ""}`} aria-pressed=${name === range && !at} onClick=${() => setQuery({ range: name === "all" ? null : name, at: null })}>${t(`range_${name}`)}</button>`)}
      </div>
      <label class="pictures-at">${t("at")} <input type="time" value=${at ? at.slice(11, 16) : ""} onChange=${onTime} /></label>
      ${slots.length > 0 && html`
        <select aria-label=${t("slot")} value=${slot ?? ""} onChange=${(event) => setQuery({ slot: event.target.value })}>
          <option value="">${t("allSlots")}</option>
          ${slots.map((one) => html`<option key=${one.id} value=${one.id}>${one.name}</option>`)}
        </select>`}
    </div>
  `;
}

function Selection({ items, chosen, setChosen }) {
  const [busy, setBusy] = useState(false);
  const onZip = async () => {
    if (chosen.length > MOST_IN_A_FILE) {
      toast(t("tooMany", { n: MOST_IN_A_FILE }), "failed");
      return;
    }
    setBusy(true);
    try {
      const file = await requestBlob("POST", "/api/results/archive", { json: { job_ids: chosen.map((one) => one.job_id) } });
      saveBlob(`pictures-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.zip`, file);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast(problemText(error), "failed");
    } finally {
      setBusy(false);
    }
  };
  return html`
    <div class="row pictures-selection">
      ${chosen.length < items.length && html`<button type="button" class="button" onClick=${() => setChosen(new Set(items.map((one) => one.job_id)))}>${t("selectAll")}</button>`}
      ${chosen.length > 0 && html`
        <button type="button" class="button" onClick=${() => setChosen(new Set())}>${t("selectNone")}</button>
        <button type="button" class="button button-primary" disabled=${busy} onClick=${onZip}><${Icon} name="download" /> ${busy ? t("zipRuns") : t("zip")}</button>
        <span role="status">${t("selected", { n: chosen.length })}</span>
      `}
    </div>
  `;
}

/** The lightbox over the list. A picture that has left the list stays until the user goes on. */
function Viewer({ items, open, onOpen, put, drop, hasMore, more }) {
  const found = items.findIndex((one) => one.job_id === open.job_id);
  const list = found === -1 ? [open] : items;
  const place = Math.max(found, 0);
  const near = found !== -1 && place >= items.length - NEAR_END;
  // Not whenever `more` is possible again: a page that cannot be read would be asked for without end.
  useEffect(() => {
    if (near) more?.();
  }, [near, place, items.length]);
  const onErased = (picture) => {
    const at = items.findIndex((one) => one.job_id === picture.job_id);
    onOpen(items[at + 1] ?? items[at - 1] ?? null);
    drop(picture.job_id);
  };
  return html`<${Lightbox} pictures=${list.map(pictureOf)} place=${place} hasMore=${found !== -1 && hasMore} onGo=${(to) => onOpen(list[to])} onClose=${() => onOpen(null)} onChanged=${put} onErased=${onErased} />`;
}

const pictureOf = (item) => ({
  job_id: item.job_id,
  completed_at: item.completed_at,
  link: item.result.url,
  expires_at: item.result.expires_at,
  mime: item.result.mime,
  slot_name: item.slot_name,
  visibility: item.visibility,
});
