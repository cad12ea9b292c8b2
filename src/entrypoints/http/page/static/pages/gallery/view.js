/* The view of the gallery by the URL: `#picture=<id>` a picture, `#show` the slideshow, else all pictures. */
import { store } from "../../lib/store.js";

function read() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  if (parameters.has("show")) return { kind: "show" };
  const id = parameters.get("picture");
  return id ? { kind: "picture", id } : { kind: "all" };
}

export const view = store(read());

let steps = 0;

addEventListener("hashchange", () => {
  steps = location.hash ? steps + 1 : 0;
  view.set(read());
});

/** Show another picture in place of the current one: back still leads to all pictures. */
export function turnTo(id) {
  history.replaceState(null, "", `#picture=${id}`);
  view.set(read());
}

/** Back to all pictures, by the browser's history if the user came from there. */
export function backToAll() {
  if (steps > 0) {
    history.back();
    return;
  }
  history.replaceState(null, "", location.pathname + location.search);
  view.set(read());
}
