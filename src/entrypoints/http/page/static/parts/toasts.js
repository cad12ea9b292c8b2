/* Short notifications at the edge of the page, announced by screen readers. They go by themselves. */
import { html, useEffect, useState } from "../lib/html.js";
import { translator } from "../lib/language.js";
import { route } from "../lib/route.js";
import { store, useStore } from "../lib/store.js";
import words from "../i18n/common.js";
import { Icon } from "./icon.js";

const t = translator(words);
const SHOWN_MS = { done: 5000, failed: 15_000 };
const shown = store([]);
let last = 0;

/** Show a notification; `kind` is `done` or `failed`. It stays longer under the mouse, and while it has the focus. */
export function toast(text, kind = "done") {
  last += 1;
  const others = shown.get().filter((one) => one.text !== text || one.kind !== kind);
  shown.set([...others.slice(-3), { id: last, text, kind }]);
}

const drop = (id) => shown.set(shown.get().filter((one) => one.id !== id));

// A failure concerns what was shown when it happened.
let place = route.get().path.join("/");
route.listen(({ path }) => {
  if (path.join("/") === place) return;
  place = path.join("/");
  shown.set(shown.get().filter((one) => one.kind !== "failed"));
});

export function Toasts() {
  return html`<div class="toasts" role="status" aria-live="polite">${useStore(shown).map((one) => html`<${Toast} key=${one.id} ...${one} />`)}</div>`;
}

function Toast({ id, text, kind }) {
  const [held, setHeld] = useState(false);
  useEffect(() => {
    if (held) return undefined;
    const timer = setTimeout(() => drop(id), SHOWN_MS[kind]);
    return () => clearTimeout(timer);
  }, [held]);
  const [hold, release] = [() => setHeld(true), () => setHeld(false)];
  return html`
    <div class=${`toast toast-${kind}`} onMouseEnter=${hold} onMouseLeave=${release} onFocusIn=${hold} onFocusOut=${release}>
      <${Icon} name=${kind === "failed" ? "alert" : "check"} />
      <span>${text}</span>
      <button type="button" class="button button-plain" aria-label=${t("close")} onClick=${() => drop(id)}><${Icon} name="close" size=${16} /></button>
    </div>
  `;
}
