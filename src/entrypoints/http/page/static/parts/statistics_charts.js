/* Statistics of a range as tiles and charts. */
import { cost, duration, money, number, percent } from "../lib/format.js";
import { html } from "../lib/html.js";
import { locale, translator } from "../lib/language.js";
import words from "../i18n/statistics.js";
import { Chart } from "./chart.js";
import { OUTCOMES } from "./statistics_tables.js";

const t = translator(words);

const COLOURS = { success: "--good", fallback: "--warn", timeouts: "--bad", provider_errors: "--accent", cancelled: "--line-strong", errors: "--busy" };

const offset = (moment) => new Date(moment).getTimezoneOffset();

const FORMATS = {
  hour: { short: { hour: "2-digit", minute: "2-digit" }, long: { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" } },
  day: { short: { day: "numeric", month: "short" }, long: { weekday: "short", day: "numeric", month: "short", year: "numeric" } },
  week: { short: { day: "numeric", month: "short" }, long: { day: "numeric", month: "short", year: "numeric" } },
  month: { short: { month: "short", year: "2-digit" }, long: { month: "long", year: "numeric" } },
};

/** Names of periods, short for the axis and in full. If the offset changes in the range, hours are shown with their zone. */
export function periodNames(periods, group) {
  const { short, long } = FORMATS[group];
  const changed = group === "hour" && new Set(periods.map((one) => offset(one.period_start))).size > 1;
  const days = new Set(periods.map((one) => new Date(one.period_start).toDateString())).size;
  const axis = new Intl.DateTimeFormat(locale(), group === "hour" && days > 2 ? { day: "numeric", month: "short", hour: "2-digit" } : short);
  const full = new Intl.DateTimeFormat(locale(), changed ? { ...long, timeZoneName: "short" } : long);
  const name = (one) => {
    const start = new Date(one.period_start);
    if (group !== "week") return full.format(start);
    return full.formatRange(start, new Date(new Date(one.period_end).getTime() - 1));
  };
  return { labels: periods.map((one) => axis.format(new Date(one.period_start))), names: periods.map(name) };
}

export function Tiles({ report }) {
  const { summary, latency_ms: latency } = report;
  const share = summary.success_rate;
  const tiles = [
    ["photos", number(summary.ingest_count)],
    ["share", share === null ? "–" : percent(share, 1)],
    ["fallbacks", number(summary.fallback)],
    ["without", number(summary.ingest_count - summary.success - summary.fallback)],
    ["p50", duration(latency.p50)],
    ["p95", duration(latency.p95)],
    ["p99", duration(latency.p99)],
    ["cost", cost(summary.cost, report.currency)],
  ];
  return html`<dl class="tiles">${tiles.map(([name, value]) => html`<div key=${name} class="card sum-tile"><dt>${t(name)}</dt><dd>${value}</dd></div>`)}</dl>`;
}

export function Charts({ report, group }) {
  const periods = report.metrics;
  const named = periodNames(periods, group);
  const column = (read) => periods.map(read);
  const outcomes = OUTCOMES.map((name) => ({ label: t(name), colour: COLOURS[name], values: column((one) => one[name]), total: number(report.summary[name]) }));
  const total = report.summary.success_rate;
  const shares = [{ label: t("share"), colour: "--good", values: column((figures) => figures.success_rate), total: total === null ? "–" : percent(total, 1) }];
  const latency = [["p50", "--good"], ["p95", "--accent"], ["p99", "--bad"]].map(([name, colour]) => ({
    label: t(name),
    colour,
    values: column((one) => (one.latency_ms[name] === null ? null : one.latency_ms[name] / 1000)),
    total: duration(report.latency_ms[name]),
  }));
  const rate = report.currency.usd_rate / 1_000_000;
  const costs = [{ label: t("cost"), colour: "--accent", values: column((one) => one.cost.usd_micros * rate), total: cost(report.summary.cost, report.currency) }];
  const amount = (value) => money(value / rate, report.currency);
  return html`
    <div class="charts">
      <${Figure} wide name="outcomes" text="outcomesText" named=${named} series=${outcomes} stacked format=${whole} />
      <${Figure} name="share" text="shareText" named=${named} series=${shares} format=${(value) => percent(value, 1)} top=${1} />
      <${Figure} name="latency" text="latencyText" named=${named} series=${latency} format=${inSeconds} />
      ${report.summary.cost.calls > 0 && html`<${Figure} wide name="cost" text="costText" named=${named} series=${costs} format=${amount} />`}
    </div>
  `;
}

const whole = (value) => (Number.isInteger(value) ? number(value) : "");
const inSeconds = (value) => number(value, { style: "unit", unit: "second", unitDisplay: "narrow", maximumFractionDigits: 1 });

function Figure({ wide, name, text, named, ...chart }) {
  return html`
    <figure class=${wide ? "card chart-card chart-card-wide" : "card chart-card"}>
      <figcaption><h2>${t(name)}</h2><p class="soft">${t(text)}</p></figcaption>
      <${Chart} label=${t("chartOf", { name: t(name) })} labels=${named.labels} names=${named.names} whole=${t("whole")} ...${chart} />
    </figure>
  `;
}
