/* Reload on live events, throttled: events come in bursts. */
import { useLive } from "./live.js";
import { useEffect, useRef } from "./html.js";

const PAUSE_MS = 1000;

/** Call `act` after an event for which `matters(event)` is true, and after missed events; at most once a second. */
export function useLiveReload(matters, act) {
  const kept = useRef({ timer: null, last: 0 });
  const current = useRef(act);
  current.current = act;
  useLive((kind, event) => {
    if (kind === "job" && !matters(event)) return;
    const state = kept.current;
    if (state.timer !== null) return;
    const wait = Math.max(state.last + PAUSE_MS - Date.now(), 0);
    state.timer = setTimeout(() => {
      state.timer = null;
      state.last = Date.now();
      current.current();
    }, wait);
  });
  useEffect(() => () => clearTimeout(kept.current.timer), []);
}
