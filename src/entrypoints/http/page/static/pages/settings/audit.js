/* The audit log: changes and logins. */
import { Problem, get } from "../../lib/api.js";
import { dateTimeExact } from "../../lib/format.js";
import { html, useEffect, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { useLoad } from "../../lib/load.js";
import { route, setQuery } from "../../lib/route.js";
import { useStore } from "../../lib/store.js";
import { Field } from "../../parts/field.js";
import { Icon } from "../../parts/icon.js";
import { useProviderNames } from "../../parts/provider_names.js";
import { Empty, Loading, ErrorNotice } from "../../parts/states.js";
import common from "../../i18n/common.js";
import { providerText, settingLabel } from "../../i18n/providers.js";
import words from "../../i18n/settings_audit.js";
import { actorName } from "./actors.js";

const t = translator(words);
const c = translator(common);

const ACTIONS = Object.keys(words.en).filter((key) => key.startsWith("action_")).map((key) => key.slice("action_".length));

const actionName = (action) => t.of("action", action);
/** A name of the service's settings or slots, else that of a provider's setting. */
const fieldName = (name) => (t.has(`field_${name}`) ? t.of("field", name) : settingLabel(name));

export function Audit() {
  const { query } = useStore(route);
  const action = query.action ?? "";
  const { data, problem, again } = useLoad((signal) => get("/api/audit", { query: { action }, signal }), [action]);
  const [more, setMore] = useState({ items: [], cursor: undefined, problem: null, busy: false });
  // A new first page invalidates the pages after it.
  useEffect(() => setMore({ items: [], cursor: undefined, problem: null, busy: false }), [data]);
  const cursor = more.cursor === undefined ? data?.next_cursor : more.cursor;
  const readMore = async () => {
    setMore({ ...more, busy: true, problem: null });
    try {
      const page = await get("/api/audit", { query: { action, cursor } });
      setMore({ items: [...more.items, ...page.items], cursor: page.next_cursor, problem: null, busy: false });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setMore({ ...more, busy: false, problem: error });
    }
  };
  const control = (attributes) => html`
    <select ...${attributes} value=${action} onChange=${(event) => setQuery({ action: event.target.value })}>
      <option value="">${t("everything")}</option>
      ${ACTIONS.map((name) => [t(`action_${name}`), name]).sort(([a], [b]) => a.localeCompare(b)).map(([text, name]) => html`<option key=${name} value=${name}>${text}</option>`)}
    </select>
  `;
  const entries = data === null ? [] : [...data.items, ...more.items];
  return html`
    <section class="stack">
      <div class="audit-head">
        <${Field} id="audit-action" label=${t("show")} control=${control} />
        <button type="button" class="button" onClick=${again}><${Icon} name="refresh" /> ${t("refresh")}</button>
      </div>
      ${problem && html`<${ErrorNotice} problem=${problem} again=${again} />`}
      ${data === null
        ? !problem && html`<${Loading} />`
        : entries.length === 0
          ? html`<${Empty} icon="clock">${t("nothing")}<//>`
          : html`
            <table class="card audit">
              <thead><tr><th scope="col">${t("when")}</th><th scope="col">${t("what")}</th><th scope="col">${t("who")}</th><th scope="col">${t("details")}</th></tr></thead>
              <tbody>${entries.map((one) => html`<${Entry} key=${one.id} one=${one} />`)}</tbody>
            </table>
          `}
      ${more.problem && html`<${ErrorNotice} problem=${more.problem} />`}
      ${cursor && html`<p class="audit-more"><button type="button" class="button" disabled=${more.busy} onClick=${readMore}>${c("more")}</button></p>`}
    </section>
  `;
}

function Entry({ one }) {
  return html`
    <tr>
      <td class="audit-when"><time dateTime=${one.at}>${dateTimeExact(one.at)}</time></td>
      <td><strong>${actionName(one.action)}</strong>${one.target && html` <span class="audit-target">${one.target}</span>`}</td>
      <td>${actorName(one.actor)}${one.address && html`<span class="audit-address soft">${one.address}</span>`}</td>
      <td class="audit-details"><${Details} detail=${one.detail} /></td>
    </tr>
  `;
}

/** `changed` has the old and the new value of each field; other entries are shown by name. */
function Details({ detail }) {
  const { changed, ...facts } = detail;
  const rows = [
    ...Object.entries(changed && typeof changed === "object" ? changed : {}).map(([name, values]) => [name, Array.isArray(values) && values.length === 2 ? values : [undefined, values]]),
    ...Object.entries(facts).map(([name, value]) => [name, [undefined, value]]),
  ];
  if (rows.length === 0) return null;
  return html`
    <dl class="audit-facts">
      ${rows.map(([name, [before, after]]) => html`
        <div key=${name}>
          <dt>${fieldName(name)}</dt>
          <dd>${before !== undefined && html`<${Value} value=${before} /> <span class="soft" aria-label=${t("became")} role="img">→</span> `}<${Value} value=${after} /></dd>
        </div>
      `)}
    </dl>
  `;
}

const LONG = 160;

function Value({ value }) {
  const names = useProviderNames();
  if (value === null || value === undefined) return html`<span class="soft">${t("unset")}</span>`;
  const lines = linesOf(value, names);
  if (lines.length === 1 && lines[0].length <= LONG) return lines[0];
  if (lines.join("").length <= LONG) return lines.map((line) => html`<span key=${line} class="line">${line}</span>`);
  return html`<details><summary>${t("all")}</summary>${lines.map((line) => html`<span key=${line} class="line">${line}</span>`)}</details>`;
}

/** A value in words: one line for each of a list, such as the steps of a route. */
function linesOf(value, names) {
  if (!Array.isArray(value)) return [wordsOf(value, names)];
  if (value.length === 0) return [t("nothingThere")];
  if (value.every((one) => typeof one !== "object")) return [value.map((one) => wordsOf(one, names)).join(", ")];
  return value.map((one, place) => `${place + 1}. ${wordsOf(one, names)}`);
}

function wordsOf(value, names) {
  if (value === null || value === undefined) return t("unset");
  if (value === true || value === false) return c(value ? "yes" : "no");
  if (typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value)) return dateTimeExact(value);
  if (typeof value !== "object") return t.has(`value_${value}`) ? t.of("value", value) : providerText(String(value));
  if (Array.isArray(value)) return linesOf(value, names).join("; ");
  const { provider_id: provider, operation_id: operation, ...others } = value;
  const head = provider ? names.both(provider, operation) : operation ? names.operation("local", operation) : null;
  const { settings, ...facts } = others;
  const rest = [
    ...Object.entries(facts).map(([name, one]) => `${fieldName(name)}: ${wordsOf(one, names)}`),
    ...Object.entries(settings ?? {}).map(([name, one]) => `${names.setting(provider, operation, name)}: ${wordsOf(one, names)}`),
  ];
  return [head, ...rest].filter(Boolean).join("; ") || t("nothingThere");
}
