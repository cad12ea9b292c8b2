/* Ranges of the statistics page, in the browser's time zone. */

/** The IANA name of the browser's time zone. */
export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

export const RANGES = ["today", "24h", "48h", "7d", "30d", "90d", "custom"];

const LONGEST = { slot: 31, all: 90 };
const GROUPS = { slot: ["hour", "day", "week"], all: ["hour", "day", "week", "month"] };
/** The longest range of all slots that can be shown by hour. */
const DAYS_BY_HOUR = 2;
const DAYS = { today: 1, "24h": 1, "48h": 2, "7d": 7, "30d": 30, "90d": 90 };

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
  const span = range === "custom" ? custom(query, LONGEST[kind]) : { from: begin(range, now), to: null, problems: {} };
  const short = range === "custom" ? isShort(span) : DAYS[range] <= DAYS_BY_HOUR;
  const groups = slot !== null || short ? GROUPS[kind] : GROUPS[kind].slice(1);
  const usual = range !== "custom" && short ? "hour" : range === "90d" ? "week" : "day";
  const group = groups.includes(query.group) ? query.group : usual;
  return { slot, range, ranges, group, groups, ...span };
}

/** When a range that ends now begins: at a midnight, or at the same time on the clock one or two days ago. */
function begin(range, now) {
  if (!range.endsWith("h")) return midnight(now, 1 - DAYS[range]);
  const before = new Date(now);
  before.setDate(now.getDate() - DAYS[range]);
  return before;
}

const isShort = ({ from, to, problems }) => Object.keys(problems).length === 0 && to <= midnight(from, DAYS_BY_HOUR);

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
