/* Statistics as tables: by slot, by provider, by period. */
import { cost, duration, number, percent } from "../lib/format.js";
import { html } from "../lib/html.js";
import { translator } from "../lib/language.js";
import words from "../i18n/statistics.js";

const t = translator(words);

export const OUTCOMES = ["success", "fallback", "timeouts", "provider_errors", "cancelled", "errors"];

/** `rows` are `{key, name, figures}`; `first` is the title of the first column. */
export function FiguresTable({ title, first, rows, currency }) {
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label=${title}>
      <table class="statistics-table">
        <thead>
          <tr>
            <th scope="col">${first}</th>
            <th scope="col" class="figure">${t("photos")}</th>
            <th scope="col">${t("share")}</th>
            ${OUTCOMES.map((name) => html`<th key=${name} scope="col" class="figure">${t(name)}</th>`)}
            <th scope="col" class="figure">${t("p50")}</th>
            <th scope="col" class="figure">${t("p95")}</th>
            <th scope="col" class="figure">${t("cost")}</th>
          </tr>
        </thead>
        <tbody>${rows.map((row) => html`<${Row} key=${row.key} ...${row} currency=${currency} />`)}</tbody>
      </table>
    </div>
  `;
}

function Row({ name, figures, currency }) {
  const share = figures.success_rate;
  return html`
    <tr>
      <th scope="row">${name}</th>
      <td class="figure">${number(figures.ingest_count)}</td>
      <td><span class="statistics-share"><span class="statistics-share-bar" aria-hidden="true"><span style=${{ width: `${(share ?? 0) * 100}%` }}></span></span>${share === null ? "–" : percent(share, 1)}</span></td>
      ${OUTCOMES.map((outcome) => html`<td key=${outcome} class=${figures[outcome] ? "figure" : "figure soft"}>${number(figures[outcome])}</td>`)}
      <td class="figure">${duration(figures.latency_ms.p50)}</td>
      <td class="figure">${duration(figures.latency_ms.p95)}</td>
      <td class=${figures.cost.calls ? "figure" : "figure soft"}>${cost(figures.cost, currency)}</td>
    </tr>
  `;
}
