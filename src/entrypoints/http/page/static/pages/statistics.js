/* Statistics of jobs in a range of time, for all slots or one. */
import { Problem, request, get, me } from "../lib/api.js";
import { dateTime } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { translator } from "../lib/language.js";
import { problemText } from "../lib/messages.js";
import { useInterval, useLoad } from "../lib/load.js";
import { rangeFromQuery, zone } from "../lib/ranges.js";
import { route, setQuery } from "../lib/route.js";
import { useStore } from "../lib/store.js";
import { Confirm } from "../parts/dialog.js";
import { Icon } from "../parts/icon.js";
import { useProviderNames } from "../parts/provider_names.js";
import { useSlots } from "../parts/slot_names.js";
import { Empty, Loading, ErrorNotice } from "../parts/states.js";
import { Charts, Tiles, periodNames } from "../parts/statistics_charts.js";
import { Controls } from "../parts/statistics_controls.js";
import { saveAllSlots, saveSlot } from "../parts/statistics_csv.js";
import { FiguresTable } from "../parts/statistics_tables.js";
import { toast } from "../parts/toasts.js";
import words from "../i18n/statistics.js";

const t = translator(words);

const PAGE_SIZE = 200;
const REREAD_MS = 20_000;

export default function Statistics() {
  const { query } = useStore(route);
  const slots = useSlots();
  const wanted = rangeFromQuery(query);
  const { slot, group, range } = wanted;
  const key = JSON.stringify([slot, group, range, query.from, query.to]);
  const { data, problem, busy, again } = useLoad((signal) => read(rangeFromQuery(query), signal), [key]);
  useInterval(REREAD_MS, () => wanted.to === null && again());
  const report = data?.report;
  const names = Object.fromEntries(slots.map((one) => [one.id, one.name]));
  return html`
    <div class="page-head">
      <h1>${t("title")}</h1>
      <div class="row">
        ${slot !== null && me.get().permissions.includes("slots:write") && html`<${Reset} key=${slot} id=${slot} name=${names[slot] ?? slot} onDone=${again} />`}
        <${Export} report=${report} query=${query} names=${names} />
      </div>
    </div>
    <${Controls} query=${query} wanted=${wanted} slots=${slots} problem=${problem} />
    ${problem && html`<${ErrorNotice} problem=${problem} again=${again} />`}
    ${data === null ? busy && html`<${Loading} />` : report && html`<${Report} report=${report} group=${data.wanted.group} names=${names} />`}
  `;
}

/** The report of the range with all its periods; none if the range is not valid. */
async function read(wanted, signal) {
  if (Object.keys(wanted.problems).length) return { wanted, report: null };
  const query = rangeQuery(wanted);
  if (wanted.slot !== null) return { wanted, report: await get(`/api/stats/${encodeURIComponent(wanted.slot)}`, { query, signal }) };
  const page = (number) => get("/api/stats/global", { query: { ...query, page: number, page_size: PAGE_SIZE }, signal });
  const report = await page(1);
  for (let next = 2; report.metrics.length < report.total; next += 1) report.metrics.push(...(await page(next)).metrics);
  return { wanted, report };
}

const rangeQuery = ({ from, to, group }) => ({ from: from.toISOString(), to: to?.toISOString(), group_by: group, tz: zone() });

/** The button that saves the figures as a file; those of all slots are read for it. */
function Export({ report, query, names }) {
  const [busy, setBusy] = useState(false);
  const onClick = async () => {
    const wanted = rangeFromQuery(query);
    if (wanted.slot !== null) return saveSlot(report, wanted.slot, names);
    setBusy(true);
    try {
      await saveAllSlots(rangeQuery(wanted), names);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast(problemText(error), "failed");
    } finally {
      setBusy(false);
    }
  };
  return html`<button type="button" class="button" disabled=${!report || busy} onClick=${onClick}><${Icon} name="download" /> ${t("exportCsv")}</button>`;
}

function Report({ report, group, names }) {
  const { currency } = report;
  const providers = useProviderNames();
  if (report.summary.ingest_count === 0 && report.summary.cost.calls === 0) {
    return html`<${Since} report=${report} /><${Empty} icon="statistics">${t("empty")}<//>`;
  }
  const { names: periods } = periodNames(report.metrics, group);
  const byPeriod = report.metrics.map((one, index) => ({ key: one.period_start, name: periods[index], figures: one }));
  const byProvider = report.providers.map((one) => ({ key: one.provider_id ?? "", name: one.provider_id === null ? t("noProvider") : providers.provider(one.provider_id), figures: one }));
  const bySlot = (report.slots ?? []).map((one) => ({
    key: one.slot_id,
    name: html`<button type="button" class="link" onClick=${() => setQuery({ slot: one.slot_id })}>${names[one.slot_id] ?? one.slot_id}</button>`,
    figures: one,
  }));
  return html`
    <div class="stack statistics-report">
      <${Since} report=${report} />
      <${Tiles} report=${report} />
      <${Charts} report=${report} group=${group} />
      ${bySlot.length > 0 && html`<section class="card"><h2>${t("bySlot")}</h2><${FiguresTable} title=${t("bySlot")} first=${t("slot")} rows=${bySlot} currency=${currency} /></section>`}
      <section class="card"><h2>${t("byProvider")}</h2><${FiguresTable} title=${t("byProvider")} first=${t("provider")} rows=${byProvider} currency=${currency} /></section>
      <details class="card statistics-periods">
        <summary><h2>${t("byPeriod")}</h2></summary>
        <${FiguresTable} title=${t("byPeriod")} first=${t("period")} rows=${byPeriod} currency=${currency} />
      </details>
      <p class="soft">${t("zone", { zone: report.range.tz })}${report.summary.cost.calls > 0 && html` ${t("costHint")}`}</p>
    </div>
  `;
}

function Since({ report }) {
  const at = report.summary.last_reset_at;
  const counts = report.slot_id !== undefined && at !== null;
  return counts ? html`<p class="notice">${t("since", { time: dateTime(at) })}</p>` : null;
}

function Reset({ id, name, onDone }) {
  const [confirming, setConfirming] = useState(false);
  const reset = async () => {
    setConfirming(false);
    try {
      await request("POST", `/api/slots/${encodeURIComponent(id)}/reset_stats`);
      toast(t("resetDone", { name }));
      onDone();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast(problemText(error), "failed");
    }
  };
  return html`
    <button type="button" class="button" onClick=${() => setConfirming(true)}><${Icon} name="refresh" /> ${t("reset")}</button>
    ${confirming && html`<${Confirm} title=${t("resetTitle", { name })} text=${t("resetText")} yes=${t("resetYes")} dangerous onYes=${reset} onNo=${() => setConfirming(false)} />`}
  `;
}
