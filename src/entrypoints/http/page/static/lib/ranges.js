/* Ranges of the statistics page, in the browser's time zone. */

/** The IANA name of the browser's time zone. */
export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

export const RANGES = ["today", "24h", "7d", "30d", "90d", "custom"];

const LONGEST = { slot: 31, all: 90 };
const GROUPS = { slot: ["hour", "day", "week"], all: ["day", "week", "month"] };
const DAYS = { today: 1, "24h": 1, "7d": 7, "30d": 30, "90d": 90 };

/** Midnight `days` days after `date`; a day has 23 or 25 hours when the clock changes. */
const midnight = (date, days = 0) => new Date(date.getFullYear(), date.getMonth(), date.getDate() + days);

/** The local midnight of `2026-11-18`, or null. */
export function dayOf(text) {
  const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text ?? "") ?? [];
  if (year === undefined) return null;
  const date = new Date(Number(year), Number(month) - 1, Number(day));
  return date.getMonth() === Number(month) - 1 ? date : null;
}

/** `2026-11-18` of a local date. */
export const dayText = (date) =>
  [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, "0")).join("-");

/**
 * The range of a URL query: `{slot, range, ranges, group, groups, from, to, problems}`. `from` and `to` are
 * Dates (`to` null: now) unless `problems` (by field: key of a text, and its values) is not empty.
 */
export function rangeFromQuery(query, now = new Date()) {
  const slot = query.slot ?? null;
  const kind = slot === null ? "all" : "slot";
  const ranges = RANGES.filter((name) => name === "custom" || DAYS[name] <= LONGEST[kind]);
  const range = ranges.includes(query.range) ? query.range : query.range in DAYS ? "30d" : "7d";
  const groups = GROUPS[kind];
  const usual = DAYS[range] === 1 && slot !== null ? "hour" : range === "90d" ? "week" : "day";
  const group = groups.includes(query.group) ? query.group : usual;
  const common = { slot, range, ranges, group, groups };
  if (range === "custom") return { ...common, ...custom(query, LONGEST[kind]) };
  const from = range === "24h" ? new Date(now.getTime() - 86_400_000) : midnight(now, 1 - DAYS[range]);
  return { ...common, from, to: null, problems: {} };
}

function custom(query, longest) {
  const from = dayOf(query.from);
  const last = dayOf(query.to);
  const problems = {};
  if (from === null) problems.from = ["chooseDay"];
  if (last === null) problems.to = ["chooseDay"];
  if (from !== null && last !== null) {
    if (last < from) problems.to = ["endsBefore"];
    else if (midnight(from, longest) <= last) problems.to = ["tooLong", { n: longest }];
  }
  return { from, to: last === null ? null : midnight(last, 1), problems };
}
