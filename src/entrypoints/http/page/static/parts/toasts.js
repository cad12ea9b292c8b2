/* Short notifications at the edge of the page, announced by screen readers. */
import { html, useEffect } from "../lib/html.js";
import { translator } from "../lib/language.js";
import { store, useStore } from "../lib/store.js";
import words from "../i18n/common.js";
import { Icon } from "./icon.js";

const t = translator(words);
const shown = store([]);
let last = 0;

/** Show a notification; `kind` is `done` or `failed`. Failures stay until they are closed. */
export function toast(text, kind = "done") {
  last += 1;
  shown.set([...shown.get().slice(-3), { id: last, text, kind }]);
}

const drop = (id) => shown.set(shown.get().filter((one) => one.id !== id));

export function Toasts() {
  return html`<div class="toasts" role="status" aria-live="polite">${useStore(shown).map((one) => html`<${Toast} key=${one.id} ...${one} />`)}</div>`;
}

function Toast({ id, text, kind }) {
  useEffect(() => {
    if (kind === "failed") return undefined;
    const timer = setTimeout(() => drop(id), 5000);
    return () => clearTimeout(timer);
  }, []);
  return html`
    <div class=${`toast toast-${kind}`}>
      <${Icon} name=${kind === "failed" ? "alert" : "check"} />
      <span>${text}</span>
      <button type="button" class="button button-plain" aria-label=${t("close")} onClick=${() => drop(id)}><${Icon} name="close" size=${16} /></button>
    </div>
  `;
}
