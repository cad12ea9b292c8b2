/* The end of a long list: the next page is read when the user comes near to it, or by the button. */
import { html, useEffect, useRef, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { ErrorNotice } from "../states.js";
import words from "../../i18n/common.js";

const t = translator(words);

/** How far below the window the end is when the next page is asked for. */
const NEAR_PX = 1200;

/**
 * `feed` is the list of `useFeed`, `shown` the text with the number of its items. A page that could not be read is asked
 * for again by the user, or once the service answers again; not without end.
 */
export function ListEnd({ feed, shown }) {
  const { items, next, busy, endProblem, more } = feed;
  const end = useRef(null);
  const [said, setSaid] = useState("");
  const wasBusy = useRef(false);
  useEffect(() => {
    // Said for pages that were asked for, not for what comes live.
    if (wasBusy.current && !busy) setSaid(endProblem === null ? shown : "");
    wasBusy.current = busy;
  }, [busy]);
  const reads = next !== null && !busy && endProblem === null;
  useEffect(() => {
    if (!reads) return undefined;
    const watch = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && more(), { rootMargin: `${NEAR_PX}px` });
    watch.observe(end.current);
    return () => watch.disconnect();
  }, [reads, items.length, more]);
  return html`
    <div class="list-end" ref=${end}>
      ${endProblem !== null
        ? html`<${ErrorNotice} problem=${endProblem} again=${more} />`
        : next !== null && html`<button type="button" class="button" aria-disabled=${busy} onClick=${more}>${busy ? t("loading") : t("more")}</button>`}
      <p class="unseen" role="status">${said}</p>
    </div>
  `;
}
