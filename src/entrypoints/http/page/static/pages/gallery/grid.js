/* All pictures by hours, in rows that fill the width. Sizes are known in advance, so that nothing jumps. */
import { day, isToday, time } from "../../lib/format.js";
import { html, useEffect, useRef } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import words from "../../i18n/gallery.js";

const t = translator(words);
const SOON = 24;
const HOUR_MS = 3_600_000;

export function Grid({ items, hasMore, more }) {
  return html`
    ${hours(items).map(({ begin, pictures }) => html`
      <section key=${begin.getTime()} class="pictures-hour">
        <h2>${heading(begin)}</h2>
        <ul class="pictures">
          ${pictures.map(({ one, index }) => html`
            <li key=${one.id} class="picture" style=${{ "--ratio": one.width / one.height }}>
              <a href=${`#picture=${one.id}`}><${Thumbnail} one=${one} alt=${t("picture", { n: index + 1 })} soon=${index < SOON} /></a>
            </li>
          `)}
        </ul>
      </section>
    `)}
    ${hasMore && html`<${More} more=${more} />`}
  `;
}

function hours(items) {
  const found = [];
  items.forEach((one, index) => {
    const begin = new Date(one.completedAt);
    begin.setMinutes(0, 0, 0);
    if (found.at(-1)?.begin.getTime() !== begin.getTime()) found.push({ begin, pictures: [] });
    found.at(-1).pictures.push({ one, index });
  });
  return found;
}

const heading = (begin) => `${isToday(begin) ? "" : `${day(begin)}, `}${time(begin)} – ${time(new Date(begin.getTime() + HOUR_MS))}`;

function Thumbnail({ one, alt, soon }) {
  // The thumbnail may not exist yet: use the picture itself.
  const instead = (event) => {
    if (!event.target.src.endsWith(one.full)) event.target.src = one.full;
  };
  return html`<img src=${one.thumbnail} width=${one.width} height=${one.height} alt=${alt} loading=${soon ? "eager" : "lazy"} decoding="async" onError=${instead} />`;
}

/** Older pictures load at the end of the page and by the button. */
function More({ more }) {
  const button = useRef(null);
  useEffect(() => {
    const seen = new IntersectionObserver((entries) => entries.some((one) => one.isIntersecting) && more(), { rootMargin: "600px" });
    seen.observe(button.current);
    return () => seen.disconnect();
  }, [more]);
  return html`<p class="pictures-more"><button ref=${button} type="button" class="button" onClick=${more}>${t("more")}</button></p>`;
}
