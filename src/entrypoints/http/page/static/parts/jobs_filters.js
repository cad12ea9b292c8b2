/* Filters of the list of jobs, stored in the query of the URL, so that a link shows the same list. */
import { html } from "../lib/html.js";
import { translator } from "../lib/language.js";
import { errorOf } from "../lib/messages.js";
import { setQuery } from "../lib/route.js";
import commonWords from "../i18n/common.js";
import words from "../i18n/jobs.js";
import { Field } from "./field.js";
import { Icon } from "./icon.js";

const t = translator(words);
const common = translator(commonWords);

const STATES = ["pending", "processing", "succeeded", "timed_out", "failed", "cancelled"];
const GROUPS = { "pending,processing": "stateLive", "timed_out,failed,cancelled": "stateEndedBadly" };
const REASONS = ["timeout", "provider_error", "cancelled", "invalid_photo", "storage_error"];
const SOURCES = ["ingest", "test", "library"];
const ORDERS = { "": "sortNewest", created_at: "sortOldest", "-finalized_at": "sortEndedLast", finalized_at: "sortEndedFirst" };
const RESULTS = ["picture", "fallback", "none"];
const NARROWING = ["state", "result", "slot", "reason", "source", "from", "to"];

/** The API query for this URL query. Times are entered in the browser's time zone. */
export function filtersFromQuery({ state, result, slot, reason, source, from, to, sort }) {
  const moment = (text) => {
    const at = new Date(text ?? "");
    return Number.isNaN(at.getTime()) ? null : at.toISOString();
  };
  const query = { state, result, slot_id: slot, failure_reason: reason, source, created_from: moment(from), created_to: moment(to), sort };
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value));
}

export const hasFilters = (query) => NARROWING.some((name) => query[name]);

const FIELD_OF = { state: "state", result: "result", slot: "slot_id", reason: "failure_reason", source: "source", from: "created_from", to: "created_to", sort: "sort" };

/** Clears all filters; shown if there are any. */
export function ClearFilters({ query }) {
  if (!hasFilters(query)) return null;
  const onClick = () => setQuery(Object.fromEntries(NARROWING.map((name) => [name, null])));
  return html`<button type="button" class="button" onClick=${onClick}><${Icon} name="close" /> ${t("clear")}</button>`;
}

/** `slots` are the choices; `problem` is the API's problem with the query, or null. */
export function Filters({ query, slots, problem, wide }) {
  const set = NARROWING.filter((name) => query[name]).length;
  const error = (name) => errorOf(problem, FIELD_OF[name]);
  const choice = (name, label, options) => html`
    <${Field} id=${`jobs-${name}`} label=${label} error=${error(name)} control=${(attributes) => html`
      <select ...${attributes} value=${query[name] ?? ""} onChange=${(event) => setQuery({ [name]: event.target.value })}>
        ${options.map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}
      </select>`} />`;
  const moment = (name, label) => html`
    <${Field} id=${`jobs-${name}`} label=${label} error=${error(name)} control=${(attributes) => html`
      <input ...${attributes} type="datetime-local" value=${query[name] ?? ""} onChange=${(event) => setQuery({ [name]: event.target.value })} />`} />`;
  const all = ["", t("all")];
  const states = [all, ...Object.entries(GROUPS).map(([value, key]) => [value, t(key)]), ...STATES.map((state) => [state, common(`state_${state}`)])];
  const fields = html`
    <div class="jobs-filters">
      ${choice("state", t("state"), states)}
      ${choice("result", t("result"), [all, ...RESULTS.map((result) => [result, t(`result_${result}`)])])}
      ${slots.length > 0 && choice("slot", t("slot"), [all, ...slots.map((slot) => [slot.id, slot.name])])}
      ${choice("reason", t("reason"), [all, ...REASONS.map((reason) => [reason, t(`reason_${reason}`)])])}
      ${choice("source", t("source"), [all, ...SOURCES.map((source) => [source, t(`source_${source}`)])])}
      ${choice("sort", t("sort"), Object.entries(ORDERS).map(([value, key]) => [value, t(key)]))}
      ${moment("from", t("from"))}
      ${moment("to", t("to"))}
    </div>`;
  if (wide) return html`<section class="card jobs-filter-card" aria-label=${t("filters")}>${fields}</section>`;
  return html`
    <details class="card jobs-filter-card">
      <summary>${set ? t("filtersOn", { n: set }) : t("filters")}</summary>
      ${fields}
    </details>
  `;
}
