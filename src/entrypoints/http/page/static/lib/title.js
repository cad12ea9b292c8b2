/* The title of the browser's tab: what is shown, then the name of the program. */
import { useEffect, useState } from "./html.js";

const titles = new Map();
let last = 0;

/** The title of the innermost part that has one: a part is rendered after those around it. */
function apply() {
  document.title = titles.get(Math.max(...titles.keys())) ?? "PhotoChanger";
}

/** Sets the title while the component is shown. Empty parts are left out; without any, the parts around decide. */
export function useTitle(...parts) {
  const [depth] = useState(() => (last += 1));
  const given = parts.filter(Boolean);
  const title = given.length ? [...given, "PhotoChanger"].join(" · ") : null;
  useEffect(() => {
    if (title !== null) titles.set(depth, title);
    apply();
    return () => {
      titles.delete(depth);
      apply();
    };
  }, [title]);
}
