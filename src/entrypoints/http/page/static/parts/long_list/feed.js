/* A long list from the API: read page by page, and updated by live events without moving what the user reads. */
import { Problem, get, me } from "../../lib/api.js";
import { useEffect, useRef, useState } from "../../lib/html.js";
import { useLive } from "../../lib/live.js";
import { useInterval } from "../../lib/load.js";
import { merged, without } from "./merge.js";

/** Items that a list holds while its user looks at the newest; further ones are read again when they are scrolled to. */
export const MOST = 240;

const FURTHER = 200; // the most that the API sends at once
const AT_TOP_PX = 120;
const ONE_BY_ONE = 20;
const SLIDE_MS = 30_000;
const NOTHING = { items: null, next: null, problem: null, endProblem: null, busy: false, waiting: null, arrived: new Set() };

/** What the list that was left last showed, for its user's way back. */
let left = null;
let lists = 0;

const leftAt = (key) => (left !== null && left.key === key && left.user === me.get()?.username && history.state?.list === left.id ? left : null);

/**
 * The list of `source`: `{key, path, query, first, one, received, isHeld, newestFirst, slides, pause, matters}`. `key`
 * names the list; `query()` is the query of `path`, `first` the size of the first page; `one(id)` the path of one item;
 * `received(item)` what is kept of an item; `isHeld(item)` whether it still belongs to the list; `slides`: the query
 * changes as time passes; `matters(event)` whether a live event may change the list, which is read `pause` ms after it.
 * `mayForget()`: whether older items may be dropped while the user looks at the newest.
 *
 * Returns `{items, next, problem, endProblem, busy, waiting, arrived, place}` and what can be done: `more()`, `again()`,
 * `showWaiting()`, `put(item)`, `drop(id)`. `items` is null until the first page is there; `endProblem` is why the next page
 * could not be read; `waiting` is null or the newest page, held back because the user looks at older items; `arrived` has
 * the IDs of items that came live; `place` is where its user was in the list, for `useLines`.
 */
export function useFeed(source, mayForget = () => true) {
  const [state, setState] = useState(() => leftAt(source.key)?.state ?? NOTHING);
  const feed = useRef(null);
  const may = useRef(mayForget);
  may.current = mayForget;
  const place = useRef(null);
  place.current ??= leftAt(source.key)?.place ?? {};

  useEffect(() => {
    const back = leftAt(source.key);
    const id = `${Date.now()} ${++lists}`;
    const user = me.get()?.username;
    if (!back) place.current = {};
    const started = start(source, back?.state ?? NOTHING, setState, () => may.current());
    feed.current = started;
    if (back) started.renewLater();
    else started.read();
    history.replaceState({ list: id }, "");
    return () => {
      started.stop();
      left = started.state().items === null ? null : { id, key: source.key, user, state: started.state(), place: place.current };
    };
  }, [source.key]);

  useLive((kind, event) => feed.current?.hear(kind, event));
  useInterval(SLIDE_MS, () => source.slides && feed.current?.refreshLater());
  const actions = useRef(null);
  actions.current ??= {
    more: () => feed.current.more(),
    again: () => feed.current.read(),
    showWaiting: () => feed.current.showWaiting(),
    put: (item) => feed.current.put(item),
    drop: (id) => feed.current.drop(id),
  };
  return { ...state, place: place.current, ...actions.current };
}

function start(source, initial, show, mayForget) {
  const control = new AbortController();
  let state = initial;
  const change = (changes) => {
    if (control.signal.aborted) return;
    state = { ...state, ...changes };
    show(state);
  };
  const page = async (cursor, limit) => {
    const data = await get(source.path, { query: { ...source.query(), limit, cursor }, signal: control.signal });
    return { items: data.items.map(source.received), next: data.next_cursor };
  };
  /** Run `act`; a problem becomes the field `failed` of the state. */
  const reading = async (act, failed = "problem") => {
    try {
      await act();
    } catch (error) {
      if (control.signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      change({ [failed]: error });
    }
  };
  const read = () =>
    reading(async () => {
      const newest = await page(null, source.first);
      change({ items: newest.items, next: newest.next, problem: null, endProblem: null, waiting: null, arrived: new Set() });
    });
  const more = async () => {
    const cursor = state.next;
    if (cursor === null || state.busy) return;
    change({ busy: true, endProblem: null });
    await reading(async () => {
      const further = await page(cursor, FURTHER);
      // The list may have been replaced: then this page does not continue it.
      if (state.next === cursor) change({ items: [...state.items, ...without(further.items, state.items)], next: further.next });
    }, "endProblem");
    change({ busy: false });
  };
  const isAtNewest = () => scrollY < AT_TOP_PX;
  const most = () => (mayForget() ? MOST : Infinity);
  /** Take in the newest page, which shows the state of its items; `changed` are others by ID, null if they are gone. */
  const settle = (newest, changed = new Map()) => {
    const known = new Map([...newest.items.map((one) => [one.job_id, one]), ...changed]);
    const items = state.items.map((one) => (known.has(one.job_id) ? known.get(one.job_id) : one)).filter((one) => one !== null && source.isHeld(one));
    if (!source.newestFirst) change({ items, problem: null });
    else if (isAtNewest()) change({ problem: null, waiting: null, ...merged({ ...state, items }, newest, most()) });
    else change({ items, problem: null, waiting: without(newest.items, items).length ? newest : null });
  };
  const one = async (id) => {
    try {
      return [id, source.received(await get(source.one(id), { signal: control.signal }))];
    } catch (error) {
      if (error instanceof Problem && (error.status === 404 || error.status === 410)) return [id, null];
      throw error;
    }
  };
  const refresh = (touched) =>
    reading(async () => {
      const newest = await page(null, source.first);
      if (state.items === null) {
        change({ items: newest.items, next: newest.next, problem: null });
        return;
      }
      const elsewhere = without(state.items, newest.items).filter((item) => touched.has(item.job_id));
      if (elsewhere.length > ONE_BY_ONE) await renew();
      else settle(newest, new Map(await Promise.all(elsewhere.map((item) => one(item.job_id)))));
    });
  /** Read again all that is shown, also what is scrolled to meanwhile: events of any of it may have been missed. */
  const renew = () =>
    reading(async () => {
      const newest = await page(null, source.first);
      let { items, next } = newest;
      while (next !== null && items.length < (state.items ?? []).length) {
        const further = await page(next, FURTHER);
        items = [...items, ...without(further.items, items)];
        next = further.next;
      }
      const shown = state.items ?? [];
      const ids = new Set(shown.map((item) => item.job_id));
      const meets = items.findIndex((item) => ids.has(item.job_id));
      const held = shown.length > 0 && source.newestFirst && !isAtNewest();
      if (!held) change({ items, next, problem: null, endProblem: null, waiting: null });
      else if (meets === -1) change({ problem: null, endProblem: null, waiting: newest });
      else change({ items: items.slice(meets), next, problem: null, endProblem: null, waiting: meets > 0 ? newest : null });
    });
  const live = coalesced(source.pause, (touched, all) => (all ? renew() : refresh(touched)));
  return {
    read,
    more,
    state: () => state,
    hear: (kind, event) => {
      if (kind === "reset") live.scheduleAll();
      else if (source.matters(event)) live.schedule(event.job_id);
    },
    refreshLater: () => live.schedule(null),
    renewLater: () => live.scheduleAll(),
    showWaiting: () => {
      scrollTo({ top: 0 });
      if (state.waiting !== null) change({ ...merged(state, state.waiting, most()), waiting: null });
    },
    put: (item) => change({ items: state.items.map((before) => (before.job_id === item.job_id ? source.received(item) : before)) }),
    drop: (id) => state.items && change({ items: state.items.filter((item) => item.job_id !== id) }),
    stop: () => {
      live.stop();
      control.abort();
    },
  };
}

/** Calls `act(ids, all)` with the IDs of changed items, `pause` ms after the first change, one call at a time. */
function coalesced(pause, act) {
  let timer = null;
  let running = false;
  let stopped = false;
  let touched = new Set();
  let all = false;
  const plan = () => {
    if (timer === null && !running && !stopped) timer = setTimeout(run, pause);
  };
  const run = async () => {
    timer = null;
    running = true;
    const [these, whole] = [touched, all];
    touched = new Set();
    all = false;
    await act(these, whole);
    running = false;
    if (touched.size || all) plan();
  };
  return {
    schedule: (id) => {
      touched.add(id);
      plan();
    },
    scheduleAll: () => {
      all = true;
      plan();
    },
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
