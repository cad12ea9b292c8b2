/* Keys that steer what is shown, wherever the focus is. */
import { useEffect, useRef } from "../../lib/html.js";

/**
 * Call `act(event)` at each key. It listens once and for good: a listener that is changed while the key is told to
 * others, because they draw the page anew, would never hear of it.
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
