/* The route of the page: `#/slots/slot-001?tab=jobs` is the path ["slots", "slot-001"] and the query {tab: "jobs"}. */
import { store } from "./store.js";

function read() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { path: path.split("/").filter(Boolean).map(decodeURIComponent), query: Object.fromEntries(new URLSearchParams(query)) };
}

export const route = store(read());

let here = location.hash;
let guard = null;

/** The URL of a route, for links. */
export function to(...path) {
  return `#/${path.map(encodeURIComponent).join("/")}`;
}

export function go(...path) {
  location.hash = to(...path);
}

/** Change the query without a new entry in the browser's history; null and "" remove a parameter. */
export function setQuery(changes) {
  const { path, query } = route.get();
  const next = Object.fromEntries(Object.entries({ ...query, ...changes }).filter(([, value]) => value !== null && value !== ""));
  const text = new URLSearchParams(next).toString();
  history.replaceState(null, "", `${to(...path)}${text ? `?${text}` : ""}`);
  here = location.hash;
  route.set({ path, query: next });
}

/** Call `mayLeave()` (a promise of a boolean) before the route changes, until the returned function is called. */
export function guardLeaving(mayLeave) {
  guard = mayLeave;
  return () => {
    if (guard === mayLeave) guard = null;
  };
}

addEventListener("hashchange", async () => {
  const wanted = location.hash;
  if (wanted === here) return;
  const asked = guard;
  if (asked !== null && wanted.split("?")[0] !== here.split("?")[0]) {
    history.replaceState(null, "", here);
    if (!(await asked())) return;
    if (guard === asked) guard = null;
    history.pushState(null, "", wanted);
  }
  here = wanted;
  route.set(read());
  scrollTo(0, 0);
});

addEventListener("beforeunload", (event) => {
  if (guard !== null) event.preventDefault();
});
