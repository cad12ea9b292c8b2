/* The photos of the last hour as bars: those without a picture of the route on top. */
import { number } from "../../lib/format.js";
import { html } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import words from "../../i18n/slots.js";

const t = translator(words);

const WIDTH = 5;
const STEP = 8;
const HEIGHT = 28;
/** The fewest photos that fill the height: a single one is a small bar. */
const LEAST = 4;

export function Bars({ bars }) {
  const { pictures, missed } = bars;
  const sums = pictures.map((count, index) => count + missed[index]);
  const unit = (HEIGHT - 2) / Math.max(LEAST, ...sums);
  const photos = sums.reduce((sum, count) => sum + count, 0);
  const lost = missed.reduce((sum, count) => sum + count, 0);
  const label = [t("lastHour", { n: photos, count: number(photos) }), lost > 0 && t("missed", { n: lost, count: number(lost) })].filter(Boolean).join(", ");
  return html`
    <svg class="slot-bars" role="img" aria-label=${label} width=${STEP * sums.length} height=${HEIGHT} viewBox=${`0 0 ${STEP * sums.length} ${HEIGHT}`}>
      <title>${label}</title>
      ${sums.map((sum, index) => {
        const [good, bad] = [pictures[index] * unit, missed[index] * unit];
        const x = index * STEP;
        return html`
          <rect class="slot-bar-base" x=${x} y=${HEIGHT - 1.500} width=${WIDTH} height="1.5" />
          ${good > 0 && html`<rect class="slot-bar" x=${x} y=${HEIGHT - 2 - good} width=${WIDTH} height=${good} />`}
          ${bad > 0 && html`<rect class="slot-bar-missed" x=${x} y=${HEIGHT - 2 - good - bad} width=${WIDTH} height=${bad} />`}
        `;
      })}
    </svg>
  `;
}
