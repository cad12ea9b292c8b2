/* All pictures in rows that fill the width. Sizes are known beforehand, so nothing jumps when a picture comes. */
import { html, useEffect, useRef } from "../../lib/html.js";
import { say } from "../../lib/language.js";
import words from "../../i18n/gallery.js";

const t = say(words);

export function Grid({ items, hasMore, more }) {
  return html`
    <ul class="pictures">
      ${items.map((one, index) => html`
        <li key=${one.id} class="picture" style=${{ "--ratio": one.width / one.height }}>
          <a href=${`#picture=${one.id}`}><${Thumbnail} one=${one} alt=${t("picture", { n: index + 1 })} soon=${index < 24} /></a>
        </li>
      `)}
    </ul>
    ${hasMore && html`<${More} more=${more} />`}
  `;
}

function Thumbnail({ one, alt, soon }) {
  // A thumbnail may be on its way still: then the picture itself does.
  const instead = (event) => {
    if (!event.target.src.endsWith(one.full)) event.target.src = one.full;
  };
  return html`<img src=${one.thumbnail} width=${one.width} height=${one.height} alt=${alt} loading=${soon ? "eager" : "lazy"} decoding="async" onError=${instead} />`;
}

/** Older pictures come by themselves at the end of the page, and by the button. */
function More({ more }) {
  const button = useRef(null);
  useEffect(() => {
    const seen = new IntersectionObserver((entries) => entries.some((one) => one.isIntersecting) && more(), { rootMargin: "600px" });
    seen.observe(button.current);
    return () => seen.disconnect();
  }, [more]);
  return html`<p class="pictures-more"><button ref=${button} type="button" class="button" onClick=${more}>${t("more")}</button></p>`;
}
