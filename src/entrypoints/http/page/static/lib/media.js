/* Media queries for components with a different layout on a phone. */
import { useEffect, useState } from "./html.js";

/** Whether a media query matches, kept up to date. */
export function useMedia(query) {
  const [matches, setMatches] = useState(matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const look = () => setMatches(list.matches);
    look();
    list.addEventListener("change", look);
    return () => list.removeEventListener("change", look);
  }, [query]);
  return matches;
}

/** The width from which style sheets show tables. */
export const WIDE = "(min-width: 1000px)";
