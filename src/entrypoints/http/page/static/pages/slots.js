/* Overview of all slots: operation, health, last picture, today's counts. */
import { address, get } from "../lib/api.js";
import { ago, percent } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { translator } from "../lib/language.js";
import { slotIssueText } from "../lib/messages.js";
import { useLoad } from "../lib/load.js";
import { findOperation, readProviders } from "../lib/providers.js";
import { savePreference, readPreference } from "../lib/preferences.js";
import { to } from "../lib/route.js";
import { useLiveReload } from "../lib/live_reload.js";
import { CopyButton } from "../parts/copy.js";
import { Icon } from "../parts/icon.js";
import { Empty, Loading, SlotPill, ErrorNotice } from "../parts/states.js";
import { providerText } from "../i18n/providers.js";
import words from "../i18n/slots.js";

const t = translator(words);
const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

export default function Slots() {
  const { data, problem, again } = useLoad(async (signal) => {
    const [overview, providers] = await Promise.all([get("/api/overview", { query: { tz: zone() }, signal }), readProviders(signal)]);
    return { slots: overview.items, providers };
  });
  useLiveReload(() => true, again);
  const [search, setSearch] = useState("");
  const [activeOnly, setActiveOnly] = useState(readPreference("slots.active") === "yes");
  const onActiveOnly = (event) => {
    savePreference("slots.active", event.target.checked ? "yes" : "no");
    setActiveOnly(event.target.checked);
  };
  const cards = (data?.slots ?? []).map((slot) => ({ slot, does: whatItDoes(data.providers, slot) }));
  const shown = cards.filter(({ slot, does }) => (!activeOnly || slot.active) && fits(`${slot.name} ${slot.id} ${does ?? ""}`, search));
  return html`
    <div class="page-head">
      <div><h1>${t("title")}</h1>${data && html`<p class="soft">${t("summary", { active: cards.filter(({ slot }) => slot.active).length, all: cards.length })}</p>`}</div>
      <div class="slots-find">
        <input type="search" aria-label=${t("search")} placeholder=${t("searchHint")} value=${search} onInput=${(event) => setSearch(event.target.value)} />
        <label class="check"><input type="checkbox" checked=${activeOnly} onChange=${onActiveOnly} /> ${t("activeOnly")}</label>
      </div>
    </div>
    ${problem && html`<${ErrorNotice} problem=${problem} again=${again} />`}
    ${data === null && !problem && html`<${Loading} />`}
    ${data !== null && shown.length === 0 && html`<${Empty} icon="slots">${t("nothingFits")}<//>`}
    <ul class="grid slots">${shown.map(({ slot, does }) => html`<${Card} key=${slot.id} slot=${slot} does=${does} />`)}</ul>
  `;
}

/** The name of the first step of the slot's route, or null without a step. */
function whatItDoes(providers, slot) {
  if (slot.provider_id === null) return null;
  const { provider, operation } = findOperation(providers, slot);
  return `${providerText(provider?.title ?? slot.provider_id)} · ${providerText(operation?.title ?? slot.operation_id)}`;
}

const fits = (text, search) => search.toLocaleLowerCase().split(/\s+/).every((word) => text.toLocaleLowerCase().includes(word));

function Card({ slot, does }) {
  const last = slot.last_result;
  const unused = does === null && last === null && !slot.active;
  return html`
    <li class=${`card slot-card${slot.active ? "" : " slot-card-off"}${unused ? " slot-card-unused" : ""}`}>
      ${!unused && html`
        <div class="slot-picture">
          ${last ? html`<img src=${address(`/public/results/${last.job_id}/thumbnail`)} alt=${t("lastPicture", { when: ago(last.completed_at) })} loading="lazy" />` : html`<span class="unseen">${t("noPicture")}</span><${Icon} name="photo" size=${28} />`}
        </div>
      `}
      <div class="slot-what">
        <h2><a href=${to("slots", slot.id)}>${slot.name}</a></h2>
        <p class="soft">${slot.id}</p>
        <p class="soft slot-does">${does ?? t("notConfigured")}</p>
      </div>
      <div class="slot-state">
        <${SlotPill} state=${slot.state} />
        ${!unused && html`<${Today} counts=${slot.today} />`}
      </div>
      ${slot.active && slot.reasons.length > 0 && html`<ul class="slot-reasons" aria-label=${t("reasons")}>${slot.reasons.map((reason) => html`<li key=${reason.detail}>${slotIssueText(reason)}</li>`)}</ul>`}
      ${!unused && html`<div class="slot-foot"><${CopyButton} text=${slot.ingest_url} label=${html`${t("copyAddress")}<span class="unseen"> ${slot.name}</span>`} /></div>`}
    </li>
  `;
}

function Today({ counts }) {
  const ended = counts.success + counts.timeouts + counts.provider_errors + counts.errors + counts.cancelled;
  return html`
    <p class="slot-today"><span class="unseen">${t("today")}: </span><b>${t("photosToday", { n: counts.ingest_count })}</b>${ended > 0 && html`<span> · ${t("doneToday", { share: percent(counts.success / ended) })}</span>`}</p>
  `;
}
