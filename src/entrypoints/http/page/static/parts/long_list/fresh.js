/* How many newer items are held back from a long list, and the way to them. */
import { number } from "../../lib/format.js";
import { html } from "../../lib/html.js";
import { Icon } from "../icon.js";
import { without } from "./merge.js";

/** `feed` is the list of `useFeed`; `words` has the texts `fresh` and `freshMany`. */
export function FreshButton({ feed, words }) {
  const { items, waiting, showWaiting } = feed;
  if (waiting === null || items === null) return null;
  const n = without(waiting.items, items).length;
  const isMore = n === waiting.items.length && waiting.next !== null;
  return html`<p class="list-fresh"><button type="button" class="button button-primary" onClick=${showWaiting}><${Icon} name="up" /> ${words(isMore ? "freshMany" : "fresh", { n, count: number(n) })}</button></p>`;
}
