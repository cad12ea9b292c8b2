/* The models and prices that a provider's data file names. */
import { calendarDay, number } from "../../lib/format.js";
import { html } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import words from "../../i18n/settings_secrets.js";

const t = translator(words);

const usd = (price) => number(price.usd_micros / 1_000_000, { style: "currency", currency: "USD", maximumFractionDigits: 6 });


/** A word of a data file in the language of the page; words of operators and packages stay as they are. */
function known(kind, word) {
  const key = `${kind}_${word.replaceAll(" ", "_")}`;
  return Object.hasOwn(words.en, key) ? t(key) : word;
}

export function Prices({ one }) {
  if (one.models.length === 0) return null;
  return html`
    <details class="provider-prices">
      <summary>${t("modelsAndPrices")}</summary>
      <ul>${one.models.map((model) => html`<${Model} key=${model.id} model=${model} prices=${one.prices.filter((price) => price.model === model.id)} />`)}</ul>
    </details>
  `;
}

function Model({ model, prices }) {
  const { source, checked } = prices[0] ?? {};
  const about = [
    model.status !== "current" && t.of("model", model.status) + (model.retires_on ? `, ${calendarDay(model.retires_on)}` : ""),
    model.replacement && t("useInstead", { replacement: model.replacement }),
  ].filter(Boolean);
  return html`
    <li>
      ${model.title && html`<strong>${model.title}</strong> `}<code>${model.id}</code>
      ${about.length > 0 && html` <span class="soft">${about.join(" · ")}</span>`}
      ${prices.length > 0 && html`<dl>${prices.map((price) => html`<div key=${price.what}><dt>${known("price", price.what)}</dt><dd>${usd(price)} ${known("unit", price.unit)}</dd></div>`)}</dl>`}
      ${checked && html`<p class="soft">${t("priceChecked", { when: calendarDay(checked) })} ${/^https:/.test(source ?? "") && html`<a href=${source} target="_blank" rel="noreferrer">${t("priceSource")}</a>`}</p>`}
    </li>
  `;
}
