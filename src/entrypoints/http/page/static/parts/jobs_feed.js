/* The list of jobs: read page by page, and updated by live events without moving what the user reads. */
import { Problem, get } from "../lib/api.js";
import { useEffect, useRef, useState } from "../lib/html.js";
import { useLive } from "../lib/live.js";

export const PAGE = 30;

const COALESCE_MS = 300;
const AT_TOP_PX = 120;
/** Jobs that a list holds while its user looks at the newest; further ones are read again on demand. */
const MOST = 120;
const NOTHING = { jobs: null, next: null, problem: null, busy: true, waiting: null, arrived: new Set() };

/** The job with the time at which it was read, on the browser's monotonic clock. */
export const timed = (job) => ({ ...job, read_at: performance.now() });

export const isLive = (job) => job.state === "pending" || job.state === "processing";

/**
 * The jobs of this query. Returns `{jobs, next, problem, busy, arrived, waiting, more, again, showWaiting}`: `arrived`
 * has the IDs of jobs that arrived live; `waiting` is null or the newest page, not yet shown because the user looks
 * at older ones.
 */
export function useJobs(query) {
  const key = JSON.stringify(query);
  const [state, setState] = useState(NOTHING);
  const feed = useRef(null);
  const shown = useRef(null);
  shown.current = state.jobs;

  useEffect(() => {
    const started = start(query, setState, () => shown.current ?? []);
    feed.current = started;
    started.read();
    return started.stop;
  }, [key]);

  useLive((kind, event) => feed.current?.hear(kind, event));
  const showWaiting = () => {
    scrollTo({ top: 0 });
    setState((before) => (before.waiting === null ? before : { ...before, ...merged(before, before.waiting), waiting: null }));
  };
  return { ...state, more: () => feed.current.more(state.next), again: () => feed.current.read(), showWaiting };
}

function start(query, setState, shown) {
  const control = new AbortController();
  const page = async (cursor) => {
    const data = await get("/api/jobs", { query: { ...query, limit: PAGE, cursor }, signal: control.signal });
    return { items: data.items.map(timed), next: data.next_cursor };
  };
  const reading = async (act) => {
    try {
      const change = await act();
      if (!control.signal.aborted) setState((before) => ({ ...before, problem: null, busy: false, ...change(before) }));
    } catch (error) {
      if (control.signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      setState((before) => ({ ...before, problem: error, busy: false }));
    }
  };
  const read = () =>
    reading(async () => {
      const first = await page(null);
      return () => ({ jobs: first.items, next: first.next, waiting: null, arrived: new Set() });
    });
  const more = (cursor) => {
    setState((before) => ({ ...before, busy: true }));
    return reading(async () => {
      const further = await page(cursor);
      // The list may have been replaced: then this page does not continue it.
      return (before) => before.next === cursor && { jobs: [...before.jobs, ...without(further.items, before.jobs)], next: further.next };
    });
  };
  const refresh = (touched) =>
    reading(async () => {
      const first = await page(null);
      const elsewhere = without(shown(), first.items).filter((job) => touched.has(job.job_id));
      const reread = await Promise.all(elsewhere.map((job) => get(`/api/jobs/${job.job_id}`, { signal: control.signal })));
      return (before) => refreshed(before, first, reread.map(timed), query);
    });
  const live = coalesced(refresh);
  setState((before) => ({ ...before, busy: true, waiting: null }));
  return {
    read,
    more,
    hear: (kind, event) => {
      if (kind === "job" && query.slot_id && event.slot_id !== query.slot_id) return;
      live.schedule(event?.job_id);
    },
    stop: () => {
      live.stop();
      control.abort();
    },
  };
}

/** Calls `refresh` with the IDs of changed jobs, shortly after the first change, one call at a time. */
function coalesced(refresh) {
  let timer = null;
  let running = false;
  let touched = new Set();
  const plan = () => {
    if (timer === null && !running) timer = setTimeout(run, COALESCE_MS);
  };
  const run = async () => {
    timer = null;
    running = true;
    const these = touched;
    touched = new Set();
    await refresh(these);
    running = false;
    if (touched.size) plan();
  };
  const schedule = (id) => {
    touched.add(id);
    plan();
  };
  return { schedule, stop: () => clearTimeout(timer) };
}

const without = (items, known) => {
  const ids = new Set(known.map((job) => job.job_id));
  return items.filter((job) => !ids.has(job.job_id));
};

function refreshed(before, first, reread, query) {
  if (before.jobs === null) return { jobs: first.items, next: first.next };
  const known = new Map([...first.items, ...reread].map((job) => [job.job_id, job]));
  const jobs = before.jobs.map((job) => known.get(job.job_id) ?? job);
  if (!(query.sort ?? "-").startsWith("-")) return { jobs };
  const watches = scrollY < AT_TOP_PX && !query.created_from && !query.created_to;
  if (watches) return { ...merged({ ...before, jobs }, first), waiting: null };
  return { jobs, waiting: without(first.items, jobs).length ? first : null };
}

/** The newest page followed by the older jobs already shown; only the newest page if they do not overlap. */
function merged(before, page) {
  const known = new Set(before.jobs.map((job) => job.job_id));
  const fresh = page.items.filter((job) => !known.has(job.job_id)).map((job) => job.job_id);
  const meets = page.items.findLastIndex((job) => known.has(job.job_id));
  const shown = new Set([...before.jobs, ...page.items].map((job) => job.job_id));
  const arrived = new Set([...before.arrived, ...fresh].filter((id) => shown.has(id)));
  if (page.next === null || meets === -1) return { jobs: page.items, next: page.next, arrived };
  const last = before.jobs.findIndex((job) => job.job_id === page.items[meets].job_id);
  const older = without(before.jobs.slice(last + 1), page.items);
  if (page.items.length + older.length > MOST) return { jobs: page.items, next: page.next, arrived };
  return { jobs: [...page.items, ...older], next: older.length ? before.next : page.next, arrived };
}
