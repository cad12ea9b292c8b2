/* Loading from the API while a component is shown. */
import { Problem } from "./api.js";
import { useCallback, useEffect, useRef, useState } from "./html.js";
import { useReturn } from "./live.js";

/**
 * The result of `read(signal)`, loaded when the component appears and whenever `deps` change.
 * Returns `{data, problem, busy, again}`: data stays during a reload; `again()` reloads, one request at a time. Loaded
 * again when the service answers after an outage.
 */
export function useLoad(read, deps = []) {
  const [state, setState] = useState({ data: null, problem: null, busy: true });
  const running = useRef(null);
  const queued = useRef(false);

  const start = useCallback(async () => {
    const control = new AbortController();
    running.current = control;
    setState((before) => ({ ...before, busy: true }));
    try {
      const data = await read(control.signal);
      if (!control.signal.aborted) setState({ data, problem: null, busy: false });
    } catch (error) {
      if (control.signal.aborted) return;
      if (!(error instanceof Problem)) reportError(error);
      const problem = error instanceof Problem ? error : new Problem({ code: "page_failed", detail: String(error) });
      setState((before) => ({ ...before, problem, busy: false }));
    } finally {
      if (running.current === control) {
        running.current = null;
        if (queued.current) {
          queued.current = false;
          start();
        }
      }
    }
  }, deps);

  useEffect(() => {
    queued.current = false;
    start();
    return () => running.current?.abort();
  }, [start]);

  const again = useCallback(() => {
    if (running.current === null) start();
    else queued.current = true;
  }, [start]);
  useReturn(again);
  return { ...state, again };
}

/** Call `act` every `ms` while the component is shown and the page is visible. */
export function useInterval(ms, act) {
  const current = useRef(act);
  current.current = act;
  useEffect(() => {
    const timer = setInterval(() => document.hidden || current.current(), ms);
    return () => clearInterval(timer);
  }, [ms]);
}
