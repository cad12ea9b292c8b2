/* The audit log: changes and logins. */
import { Problem, get } from "../../lib/api.js";
import { dateTimeExact } from "../../lib/format.js";
import { html, useEffect, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { useLoad } from "../../lib/load.js";
import { route, setQuery, to } from "../../lib/route.js";
import { useStore } from "../../lib/store.js";
import { Field } from "../../parts/field.js";
import { Icon } from "../../parts/icon.js";
import { Empty, Loading, ErrorNotice } from "../../parts/states.js";
import common from "../../i18n/common.js";
import words from "../../i18n/settings_audit.js";
import { actorName } from "./actors.js";
import { useAuditWords } from "./audit_words.js";

const t = translator(words);
const c = translator(common);

const ACTIONS = Object.keys(words.en).filter((key) => key.startsWith("action_")).map((key) => key.slice("action_".length));

const actionName = (action) => t.of("action", action);

export function Audit() {
  const { query } = useStore(route);
  const say = useAuditWords();
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
              <tbody>${entries.map((one) => html`<${Entry} key=${one.id} one=${one} words=${say} />`)}</tbody>
            </table>
          `}
      ${more.problem && html`<${ErrorNotice} problem=${more.problem} />`}
      ${cursor && html`<p class="audit-more"><button type="button" class="button" disabled=${more.busy} onClick=${readMore}>${c("more")}</button></p>`}
    </section>
  `;
}

function Entry({ one, words: say }) {
  return html`
    <tr>
      <td class="audit-when"><time dateTime=${one.at}>${dateTimeExact(one.at)}</time></td>
      <td><strong>${actionName(one.action)}</strong>${one.target && html` <span class="audit-target"><${Target} one=${one} say=${say} /></span>`}</td>
      <td>${actorName(one.actor)}${one.address && html`<span class="audit-address soft">${one.address}</span>`}</td>
      <td class="audit-details"><${Details} one=${one} say=${say} /></td>
    </tr>
  `;
}

function Target({ one, say }) {
  const name = say.target(one);
  return one.action.startsWith("job_") || one.action.startsWith("result_") ? html`<a href=${to("jobs", one.target)}>${name}</a>` : name;
}

/** `changed` has the old and the new value of each field; other entries are shown by name. */
function Details({ one, say }) {
  const { changed, ...facts } = one.detail;
  const rows = [
    ...Object.entries(changed && typeof changed === "object" ? changed : {}).map(([name, values]) => [name, Array.isArray(values) && values.length === 2 ? values : [undefined, values]]),
    ...Object.entries(facts).map(([name, value]) => [name, [undefined, value]]),
  ];
  if (rows.length === 0) return null;
  return html`
    <dl class="audit-facts">
      ${rows.map(([name, [before, after]]) => html`
        <div key=${name}>
          <dt>${say.field(name, one.action)}</dt>
          <dd>${before !== undefined && html`<${Value} lines=${say.lines(name, before)} /> <span class="soft" aria-label=${t("became")} role="img">→</span> `}<${Value} lines=${say.lines(name, after)} /></dd>
        </div>
      `)}
    </dl>
  `;
}

const LONG = 160;

function Value({ lines }) {
  if (lines === null) return html`<span class="soft">${t("unset")}</span>`;
  if (lines.length === 1 && lines[0].length <= LONG) return lines[0];
  if (lines.join("").length <= LONG) return lines.map((line) => html`<span key=${line} class="line">${line}</span>`);
  return html`<details><summary>${t("all")}</summary>${lines.map((line) => html`<span key=${line} class="line">${line}</span>`)}</details>`;
}
