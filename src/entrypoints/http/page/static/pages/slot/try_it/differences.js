/* Differences of settings as a list: what a run had, and what there is instead. */
import { html } from "../../../lib/html.js";
import { changedPart } from "./settings.js";

const LONG = 50;
const MOST = 600;

const short = (text) => (text.length > MOST ? `${text.slice(0, MOST)}…` : text);

/** `items` as `differences` returns them; `names` are those of the two sides, for screen readers. */
export function Differences({ items, names }) {
  return html`
    <ul class="differences">
      ${items.map(({ key, label, one, other }) => html`<li key=${key}><span class="soft">${label}:</span> <${Change} one=${one} other=${other} names=${names} /></li>`)}
    </ul>
  `;
}

function Change({ one, other, names }) {
  const isLong = one.length > LONG && other.length > LONG;
  const part = isLong ? changedPart(one, other) : { before: "", one, other, after: "" };
  return html`<span class="difference">${part.before}${part.one && html`<del><span class="unseen">${names[0]}: </span>${short(part.one)}</del>`}${" "}${!isLong && html`<span aria-hidden="true">→ </span>`}${part.other && html`<ins><span class="unseen">${names[1]}: </span>${short(part.other)}</ins>`}${isLong && " "}${part.after}</span>`;
}
