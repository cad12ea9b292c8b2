/* The figures of a range as a file for spreadsheets: a row for each slot and period. */
import { get } from "../lib/api.js";
import { saveCsv } from "../lib/csv.js";
import { dayText } from "../lib/ranges.js";
import { OUTCOMES } from "./statistics_tables.js";

const HEAD = [
  ...["period_start", "period_end", "slot_id", "slot_name", "ingest_count", ...OUTCOMES, "success_rate", "p50_ms", "p95_ms", "p99_ms"],
  ...["cost_usd", "cost_estimated_usd", "cost_unknown_usd", "cost", "currency", "calls", "unpriced_calls"],
];

const usd = (micros) => micros / 1_000_000;

function row(figures, slot, name, currency) {
  const { cost } = figures;
  return [
    figures.period_start,
    figures.period_end,
    slot,
    name ?? null,
    figures.ingest_count,
    ...OUTCOMES.map((outcome) => figures[outcome]),
    figures.success_rate,
    figures.latency_ms.p50,
    figures.latency_ms.p95,
    figures.latency_ms.p99,
    usd(cost.usd_micros),
    usd(cost.estimated_usd_micros),
    usd(cost.unknown_usd_micros),
    Math.round(cost.usd_micros * currency.usd_rate) / 1_000_000,
    currency.code,
    cost.calls,
    cost.unpriced_calls,
  ];
}

/** Save a report of one slot, with all its periods; `names` are the slots' names by ID. */
export function saveSlot(report, slot, names) {
  save(slot, report.range, report.metrics.map((one) => row(one, slot, names[slot], report.currency)));
}

/** Read the figures of every slot with this query of `GET /api/stats/slots`, and save them. Problem. */
export async function saveAllSlots(query, names) {
  const rows = [];
  for (let page = 1, pages = 1; page <= pages; page += 1) {
    const answer = await get("/api/stats/slots", { query: { ...query, page } });
    rows.push(...answer.items.map((one) => row(one, one.slot_id, names[one.slot_id], answer.currency)));
    pages = answer.pages;
    if (page === pages) save("statistics", answer.range, rows);
  }
}

function save(name, range, rows) {
  const days = [range.from, range.to].map((moment) => dayText(new Date(moment)));
  saveCsv(`photochanger-${name}-${days.join("-")}.csv`, [HEAD, ...rows]);
}
