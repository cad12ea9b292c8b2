/* The pictures of all slots: read page by page, and kept up to date by live events. */
import { Problem, get } from "../lib/api.js";
import { useEffect, useRef, useState } from "../lib/html.js";
import { useLive, useReturn } from "../lib/live.js";
import { useLiveReload } from "../lib/live_reload.js";
import { useInterval } from "../lib/load.js";

export const PAGE = 60;

const SLIDE_MS = 30_000;
const AT_TOP_PX = 120;
/** Pictures that the list holds while its user looks at the newest; further ones are read again on demand. */
const MOST = 240;
const CHANGES = new Set(["finalized", "rescued", "visibility", "erased"]);
const NOTHING = { items: null, next: null, problem: null, busy: true };

/**
 * The pictures of a slot (null: of all) since the moment that `since()` returns (null: always), newest first. Returns
 * `{items, next, problem, busy, more, again, put, drop}`; `put(item)` replaces a picture by its new state, `drop(jobId)` takes it out.
 */
export function usePictures(slotId, since) {
  const [state, setState] = useState(NOTHING);
  const feed = useRef(null);
  useEffect(() => {
    feed.current = start(slotId, since, setState);
    feed.current.read();
    return feed.current.stop;
  }, [slotId, since]);
  const drop = (jobId) => setState((before) => ({ ...before, items: without(before.items, jobId) }));
  useLive((kind, event) => kind === "job" && event.event === "erased" && drop(event.job_id));
  useLiveReload((event) => CHANGES.has(event.event) && (slotId === null || event.slot_id === slotId), () => feed.current?.refresh());
  useInterval(SLIDE_MS, () => since() !== null && feed.current?.refresh());
  useReturn(() => feed.current?.read());
  const put = (item) => setState((before) => ({ ...before, items: before.items.map((one) => (one.job_id === item.job_id ? item : one)) }));
  return { ...state, more: () => feed.current.more(state.next), again: () => feed.current.read(), put, drop };
}

const without = (items, jobId) => items && items.filter((one) => one.job_id !== jobId);

function start(slotId, since, setState) {
  const control = new AbortController();
  const page = (cursor) => get("/api/results", { query: { slot_id: slotId, from: since()?.toISOString(), limit: PAGE, cursor }, signal: control.signal });
  const reading = async (cursor, change) => {
    try {
      const data = await page(cursor);
      if (!control.signal.aborted) setState((before) => ({ ...before, problem: null, busy: false, ...change(before, data) }));
    } catch (error) {
      if (control.signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      setState((before) => ({ ...before, problem: error, busy: false }));
    }
  };
  setState(NOTHING);
  return {
    read: () => reading(null, (_, data) => ({ items: data.items, next: data.next_cursor })),
    refresh: () => reading(null, (before, data) => merged(before, data, since())),
    more: (cursor) => {
      setState((before) => ({ ...before, busy: true }));
      // The list may have been replaced: then this page does not continue it.
      return reading(cursor, (before, data) => before.next === cursor && { items: [...before.items, ...data.items], next: data.next_cursor });
    },
    stop: () => control.abort(),
  };
}

/** The newest page followed by the older pictures already shown; only that page if they do not overlap. */
function merged(before, data, from) {
  const fresh = { items: data.items, next: data.next_cursor };
  if (before.items === null || data.next_cursor === null) return fresh;
  const known = new Set(data.items.map((one) => one.job_id));
  const last = before.items.findLastIndex((one) => known.has(one.job_id));
  if (last === -1) return fresh;
  const older = before.items.slice(last + 1).filter((one) => from === null || new Date(one.completed_at) >= from);
  if (data.items.length + older.length > MOST && looksAtNewest()) return fresh;
  return older.length ? { items: [...data.items, ...older], next: before.next } : fresh;
}

const looksAtNewest = () => scrollY < AT_TOP_PX && document.querySelector("dialog[open]") === null;
