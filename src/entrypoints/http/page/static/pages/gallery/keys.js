/* Keyboard control, independent of the focus. */
import { useEffect, useRef } from "../../lib/html.js";

/**
 * Call `act(event)` for each key. The listener is registered once: a listener that is replaced while the event is
 * dispatched to others, because they render the page again, would miss it.
 */
export function useKeys(act) {
  const current = useRef(act);
  current.current = act;
  useEffect(() => {
    const onKey = (event) => current.current(event);
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}
