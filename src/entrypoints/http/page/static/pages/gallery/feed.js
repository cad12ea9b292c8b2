/* The pictures of a gallery, newest first: the first page is polled, older pages are loaded on demand. */
import { Problem, ROOT, request } from "../../lib/api.js";
import { useCallback, useEffect, useRef, useState } from "../../lib/html.js";

const OPEN_MS = 5_000;
const CLOSED_MS = 15_000;
const NOTHING = { state: "loading", title: "", url: "", items: [], cursor: null, problem: null };

/** A picture's URLs: `thumbnail`, `full` and `file` on this page's host, `link` for guests. */
function picture(item) {
  const at = item.download_url.lastIndexOf("/public/results/");
  const full = ROOT + item.download_url.slice(at);
  return {
    id: item.download_url.slice(item.download_url.lastIndexOf("/") + 1),
    full,
    thumbnail: `${full}/thumbnail`,
    file: `${full}?download=1`,
    link: item.download_url,
    mime: item.mime,
    width: item.width,
    height: item.height,
    completedAt: item.completed_at,
    expiresAt: item.expires_at,
  };
}

/**
 * The pictures from the one with this ID on, which may be older than all that the list has:
 * `{items, problem, hasMore, more}`. Turning to another one of them keeps the list.
 */
export function useFrom(slotId, id) {
  const [state, setState] = useState({ items: [], cursor: null, problem: null });
  const [first] = useState(id);
  const reading = useRef(false);
  const path = `/public/gallery/${encodeURIComponent(slotId)}`;
  const read = async (query) => {
    if (reading.current) return;
    reading.current = true;
    try {
      const { data } = await request("GET", path, { query });
      setState((before) => ({ items: [...before.items, ...data.items.map(picture)], cursor: data.next_cursor, problem: null }));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setState((before) => ({ ...before, problem: error }));
    } finally {
      reading.current = false;
    }
  };
  useEffect(() => {
    read({ picture: first });
  }, []);
  return { ...state, hasMore: state.cursor !== null, more: () => read({ cursor: state.cursor }) };
}

/** The feed with the newest page merged in; only the newest page if they do not overlap. */
function joined(feed, page) {
  const newest = page.items.map(picture);
  const ids = new Set(newest.map((one) => one.id));
  const open = { state: "open", title: page.title, url: page.url, problem: null };
  if (page.next_cursor === null || !feed.items.some((one) => ids.has(one.id))) {
    return { ...open, items: newest, cursor: page.next_cursor };
  }
  const last = newest.at(-1).completedAt;
  const now = new Date().toISOString();
  const older = feed.items.filter((one) => !ids.has(one.id) && one.completedAt <= last && one.expiresAt > now);
  return { ...open, items: [...newest, ...older], cursor: feed.cursor };
}

/** `{state, title, url, items, problem, hasMore, more}`; state is `loading`, `open` or `closed`. Polling pauses while the page is hidden. */
export function useFeed(slotId) {
  const [feed, setFeed] = useState(NOTHING);
  const path = `/public/gallery/${encodeURIComponent(slotId)}`;
  const etag = useRef(null);
  const reading = useRef(false);

  useEffect(() => {
    const control = new AbortController();
    let timer = null;
    let looking = false;
    const look = async () => {
      try {
        const answer = await request("GET", path, { headers: etag.current ? { "If-None-Match": etag.current } : {}, signal: control.signal });
        etag.current = answer.etag;
        setFeed((before) => joined(before, answer.data));
      } catch (error) {
        if (control.signal.aborted) return true;
        if (!(error instanceof Problem)) throw error;
        if (error.status === 304) setFeed((before) => (before.problem ? { ...before, problem: null } : before));
        else if (error.status === 404) {
          etag.current = null;
          setFeed({ ...NOTHING, state: "closed" });
          return false;
        } else setFeed((before) => ({ ...before, problem: error }));
      }
      return true;
    };
    const turn = async () => {
      if (looking) return;
      clearTimeout(timer);
      looking = true;
      const open = document.hidden || (await look());
      looking = false;
      if (!control.signal.aborted) timer = setTimeout(turn, open ? OPEN_MS : CLOSED_MS);
    };
    document.addEventListener("visibilitychange", turn, { signal: control.signal });
    turn();
    return () => {
      control.abort();
      clearTimeout(timer);
    };
  }, [path]);

  const more = useCallback(async () => {
    if (feed.cursor === null || reading.current) return;
    reading.current = true;
    try {
      const { data } = await request("GET", path, { query: { cursor: feed.cursor } });
      setFeed((before) => {
        const known = new Set(before.items.map((one) => one.id));
        const added = data.items.map(picture).filter((one) => !known.has(one.id));
        return { ...before, items: [...before.items, ...added], cursor: data.next_cursor, problem: null };
      });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setFeed((before) => ({ ...before, problem: error }));
    } finally {
      reading.current = false;
    }
  }, [path, feed.cursor]);

  return { ...feed, hasMore: feed.cursor !== null, more };
}
