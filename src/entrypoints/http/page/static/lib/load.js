/* Reading from the API while a part is shown. */
import { Problem } from "./api.js";
import { useCallback, useEffect, useRef, useState } from "./html.js";

/**
 * What `read(signal)` resolves to, read when the part appears and whenever `deps` change.
 * Returns `{data, problem, busy, again}`: data stays while it is read again; `again()` reads once more, at most one at a time.
 */
export function useLoad(read, deps = []) {
  const [state, setState] = useState({ data: null, problem: null, busy: true });
  const running = useRef(null);
  const asked = useRef(false);

  const start = useCallback(async () => {
    const control = new AbortController();
    running.current = control;
    setState((before) => ({ ...before, busy: true }));
    try {
      const data = await read(control.signal);
      if (!control.signal.aborted) setState({ data, problem: null, busy: false });
    } catch (error) {
      if (control.signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      setState((before) => ({ ...before, problem: error, busy: false }));
    } finally {
      if (running.current === control) {
        running.current = null;
        if (asked.current) {
          asked.current = false;
          start();
        }
      }
    }
  }, deps);

  useEffect(() => {
    asked.current = false;
    start();
    return () => running.current?.abort();
  }, [start]);

  const again = useCallback(() => {
    if (running.current === null) start();
    else asked.current = true;
  }, [start]);
  return { ...state, again };
}

/** Call `act` every `ms` while the part is shown and the page is visible. */
export function useEvery(ms, act) {
  const current = useRef(act);
  current.current = act;
  useEffect(() => {
    const timer = setInterval(() => document.hidden || current.current(), ms);
    return () => clearInterval(timer);
  }, [ms]);
}
