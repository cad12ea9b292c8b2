/* What the window is like, for parts that are drawn in another shape on a phone. */
import { useEffect, useState } from "./html.js";

/** Whether a media query holds, kept up to date. */
export function useMedia(query) {
  const [holds, setHolds] = useState(matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const look = () => setHolds(list.matches);
    look();
    list.addEventListener("change", look);
    return () => list.removeEventListener("change", look);
  }, [query]);
  return holds;
}

/** As wide as style sheets ask for tables. */
export const WIDE = "(min-width: 1000px)";
