/* Pictures in groups of ten minutes; of many, those near the window. */
import { address } from "../lib/api.js";
import { dateTime, isToday, time, timeExact } from "../lib/format.js";
import { html, useLayoutEffect, useMemo, useRef, useState } from "../lib/html.js";
import { language, translator } from "../lib/language.js";
import { memo } from "../lib/memo.js";
import words from "../i18n/pictures.js";
import { partsOf, useLines } from "./long_list/lines.js";

const t = translator(words);

/** How much time a group of pictures covers. */
export const GROUP_MINUTES = 10;


/** The least width of a picture, as a share of the window and in pixels, and the space between two. */
const LEAST_SHARE = 0.45;
const LEAST_PX = 190;
const SPACE_PX = 14;

/** `feed` is the list of `useFeed`, `chosen` the set of selected job ids; `onOpen(item)`, `onChoose(item, isChosen)`. */
export function PicturesGrid({ feed, chosen, onOpen, onChoose }) {
  const { items, next, place } = feed;
  const [width, setWidth] = useState(null);
  const around = useRef(null);
  useLayoutEffect(() => {
    const look = () => setWidth(around.current.clientWidth);
    const watch = new ResizeObserver(look);
    watch.observe(around.current);
    look();
    return () => watch.disconnect();
  }, []);
  return html`<div ref=${around}>${width !== null && html`<${Groups} items=${items} isAll=${next === null} place=${place} width=${width} chosen=${chosen} onOpen=${onOpen} onChoose=${onChoose} />`}</div>`;
}

function Groups({ items, isAll, place, width, chosen, onOpen, onChoose }) {
  const columns = Math.max(Math.floor((width + SPACE_PX) / (Math.min(width * LEAST_SHARE, LEAST_PX) + SPACE_PX)), 1);
  const found = useMemo(() => groups(items), [items]);
  const lines = useMemo(() => found.flatMap((group) => linesOf(group, columns)), [found, columns]);
  const usual = { heading: 52, pictures: (width / columns) * 0.75 + 60 };
  const { box, isShown, height } = useLines(lines, usual, place);
  const version = `${language.get()} ${new Date().toDateString()}`;
  const sections = [];
  let done = 0;
  const gapTo = (line) => {
    if (done < line) sections.push(html`<div key=${`gap ${done}`} aria-hidden="true" style=${{ height: `${height(done, line)}px` }}></div>`);
  };
  let first = 0;
  for (const [number, { begin, pictures }] of found.entries()) {
    const row = first + 1;
    const rows = partsOf(Math.ceil(pictures.length / columns), (index) => isShown(row + index));
    if (isShown(first) || rows.some((part) => part.isShown)) {
      gapTo(first);
      const count = isAll || number < found.length - 1 ? pictures.length : -1;
      const tile = (item, at) => {
        const line = at % columns === 0 ? lines[row + at / columns].key : undefined;
        return html`<${Tile} key=${item.job_id} item=${item} line=${line} index=${at} count=${count} chosen=${chosen.has(item.job_id)} version=${version} onOpen=${onOpen} onChoose=${onChoose} />`;
      };
      sections.push(html`
        <section key=${begin.getTime()} class="pictures-group">
          <h2 data-line=${lines[first].key} data-kind="heading">${heading(begin)} <small class="soft">${pictures.length}</small></h2>
          <ul class="pictures-grid" style=${{ "--columns": columns }}>
            ${rows.map(({ from, to, isShown: isIn }) => (isIn
              ? pictures.slice(from * columns, to * columns).map((item, n) => tile(item, from * columns + n))
              : html`<li key=${`gap ${from}`} class="pictures-gap" aria-hidden="true" style=${{ height: `${height(row + from, row + to)}px` }}></li>`))}
          </ul>
        </section>
      `);
      done = row + Math.ceil(pictures.length / columns);
    }
    first = row + Math.ceil(pictures.length / columns);
  }
  gapTo(lines.length);
  return html`<div class="pictures-groups" ref=${box}>${sections}</div>`;
}

/** The heading of a group and its rows, as `useLines` takes them. */
function linesOf({ begin, pictures }, columns) {
  const found = [{ key: `at ${begin.getTime()}`, kind: "heading" }];
  for (let at = 0; at < pictures.length; at += columns) {
    const items = pictures.slice(at, at + columns).map((one) => one.job_id);
    found.push({ key: items[0], kind: "pictures", items });
  }
  return found;
}

const Tile = memo(({ item, line, index, count, chosen, onOpen, onChoose }) => {
  const named = { time: timeExact(item.completed_at), slot: item.slot_name };
  const hidden = item.visibility === "hidden";
  return html`
    <li class=${`tile${chosen ? " tile-chosen" : ""}${hidden ? " tile-hidden" : ""}`} aria-setsize=${count} aria-posinset=${index + 1} data-item=${item.job_id} data-line=${line} data-kind="pictures">
      <button type="button" class="tile-picture" aria-label=${t("open", named)} onClick=${() => onOpen(item)}>
        <img src=${address(`/public/results/${item.job_id}/thumbnail`)} alt="" loading="lazy" decoding="async" />
      </button>
      <label class="tile-choice"><input type="checkbox" aria-label=${t("select", named)} checked=${chosen} onChange=${(event) => onChoose(item, event.target.checked)} /></label>
      <p class="tile-facts"><b>${time(item.completed_at)}</b> <span class="soft">${item.slot_name}</span></p>
      ${(hidden || item.result.outcome === "fallback") && html`<p class="tile-marks">${hidden && html`<span class="pill pill-mute">${t("hidden")}</span>`} ${item.result.outcome === "fallback" && html`<span class="pill pill-warn">${t("fallback")}</span>`}</p>`}
    </li>
  `;
});

function groups(items) {
  const found = [];
  for (const item of items) {
    const begin = new Date(item.completed_at);
    begin.setMinutes(begin.getMinutes() - (begin.getMinutes() % GROUP_MINUTES), 0, 0);
    if (found.at(-1)?.begin.getTime() !== begin.getTime()) found.push({ begin, pictures: [] });
    found.at(-1).pictures.push(item);
  }
  return found;
}

const heading = (begin) => `${isToday(begin) ? time(begin) : dateTime(begin)} – ${time(new Date(begin.getTime() + GROUP_MINUTES * 60_000))}`;
