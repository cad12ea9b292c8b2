/* The title of the browser's tab: what is shown, then the name of the program. */
import { useEffect } from "./html.js";

/** Sets the title while the component is shown. Empty parts are left out. */
export function useTitle(...parts) {
  const title = [...parts.filter(Boolean), "PhotoChanger"].join(" · ");
  useEffect(() => {
    document.title = title;
  }, [title]);
}
