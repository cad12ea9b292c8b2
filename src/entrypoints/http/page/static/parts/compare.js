/* Before/after comparison with a divider that is moved by mouse, finger or arrow keys. */
import { html, useState } from "../lib/html.js";
import { translator } from "../lib/language.js";
import words from "../i18n/compare.js";

const t = translator(words);

/** `before` and `after` are URLs of pictures; `width` and `height` are those of `after`. `names` are for others than a photo and its picture. */
export function Compare({ before, after, width, height, names = { before: t("before"), after: t("after"), slider: t("slider") } }) {
  const [cut, setCut] = useState(50);
  const [undecoded, setUndecoded] = useState(false);
  if (before === null || undecoded) {
    return html`<figure class="compare-alone"><img src=${after} alt=${names.after} width=${width} height=${height} />${undecoded && html`<figcaption class="soft">${t("undecoded")}</figcaption>`}</figure>`;
  }
  return html`
    <div class="compare" style=${{ "--cut": `${cut}%`, aspectRatio: `${width} / ${height}`, maxWidth: `min(100%, calc(70vh * ${width / height}))` }}>
      <img src=${after} alt=${names.after} />
      <img class="compare-before" src=${before} alt=${names.before} onError=${() => setUndecoded(true)} />
      <span class="compare-name compare-name-before" aria-hidden="true">${names.before}</span>
      <span class="compare-name compare-name-after" aria-hidden="true">${names.after}</span>
      <span class="compare-line" aria-hidden="true"></span>
      <input type="range" min="0" max="100" value=${cut} aria-label=${names.slider} onInput=${(event) => setCut(Number(event.target.value))} />
    </div>
  `;
}
