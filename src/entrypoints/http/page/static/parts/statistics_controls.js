/* Choice of slot, range and grouping of statistics, stored in the query of the URL. */
import { html } from "../lib/html.js";
import { translator } from "../lib/language.js";
import { errorOf } from "../lib/messages.js";
import { dayText } from "../lib/ranges.js";
import { setQuery } from "../lib/route.js";
import words from "../i18n/statistics.js";
import { Field } from "./field.js";

const t = translator(words);

export function Controls({ query, wanted, slots, problem }) {
  const errorText = (name) => (wanted.problems[name] ? t(...wanted.problems[name]) : errorOf(problem, name));
  const choice = (name, label, value, options, onChange, help) => html`
    <${Field} id=${`statistics-${name}`} label=${label} help=${help} error=${errorOf(problem, name)} control=${(attributes) => html`
      <select ...${attributes} value=${value} onChange=${(event) => onChange(event.target.value)}>
        ${options.map(([key, text]) => html`<option key=${key} value=${key}>${text}</option>`)}
      </select>`} />`;
  const day = (name, label) => html`
    <${Field} id=${`statistics-${name}`} label=${label} error=${errorText(name)} control=${(attributes) => html`
      <input ...${attributes} type="date" value=${query[name] ?? ""} max=${dayText(new Date())} onChange=${(event) => setQuery({ [name]: event.target.value })} />`} />`;
  return html`
    <section class="card statistics-controls" aria-label=${t("range")}>
      <div class="statistics-ranges" role="group" aria-label=${t("range")}>
        ${wanted.ranges.map((name) => html`<button key=${name} type="button" class="statistics-range" aria-pressed=${name === wanted.range ? "true" : "false"} onClick=${() => setQuery(rangeChange(name, wanted))}>${t(`range_${name}`)}</button>`)}
      </div>
      <div class="statistics-choices">
        ${wanted.range === "custom" && html`${day("from", t("from"))}${day("to", t("to"))}`}
        ${slots.length > 0 && choice("slot", t("slot"), wanted.slot ?? "", [["", t("allSlots")], ...slots.map((slot) => [slot.id, slot.name])], (slot) => setQuery({ slot }))}
        ${choice("group_by", t("group"), wanted.group, wanted.groups.map((name) => [name, t(`group_${name}`)]), (group) => setQuery({ group }))}
      </div>
      ${!wanted.groups.includes("hour") && html`<p class="soft statistics-hint">${t("hourHint")}</p>`}
    </section>
  `;
}

/** A custom range starts with the days that were shown; the grouping is the default of the new range. */
function rangeChange(name, wanted) {
  if (name !== "custom") return { range: name, from: null, to: null, group: null };
  const last = wanted.to === null ? new Date() : new Date(wanted.to.getTime() - 1);
  return { range: name, from: wanted.from && dayText(wanted.from), to: dayText(last) };
}
