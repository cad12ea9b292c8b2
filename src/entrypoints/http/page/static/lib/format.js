/* Dates, numbers and sizes in the locale of the page. */
import { locale } from "./language.js";

const date = (options) => (value) => (value === null ? "" : new Intl.DateTimeFormat(locale(), options).format(new Date(value)));

/** `value` is an ISO date and time or a Date. */
export const dateTime = date({ dateStyle: "medium", timeStyle: "short" });
export const dateTimeExact = date({ dateStyle: "medium", timeStyle: "medium" });
export const day = date({ dateStyle: "medium" });
/** A date without a time, as 2026-12-24: the same day in every time zone. */
export const calendarDay = (value) => day(`${value}T00:00`);
export const time = date({ timeStyle: "short" });
export const timeExact = date({ timeStyle: "medium" });

/** Whether the time is on the current local day. */
export const isToday = (value) => new Date(value).toDateString() === new Date().toDateString();

export const number = (value, options) => new Intl.NumberFormat(locale(), options).format(value);
export const percent = (share, digits = 0) => number(share, { style: "percent", maximumFractionDigits: digits });

/** A duration in milliseconds as seconds, or as milliseconds below 100. */
export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  const unit = (value, name, digits) =>
    number(value, { style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: digits });
  return ms < 100 ? unit(ms, "millisecond", 0) : unit(ms / 1000, "second", ms < 10_000 ? 2 : 1);
}

/** An amount of the ledger, in millionths of a US dollar, in the currency of the settings; small amounts with more digits. */
export function money(usdMicros, { code, usd_rate: rate }) {
  const value = (usdMicros / 1_000_000) * rate;
  const digits = value !== 0 && Math.abs(value) < 1 ? 4 : 2;
  const options = { minimumFractionDigits: 2, maximumFractionDigits: digits };
  try {
    return number(value, { ...options, style: "currency", currency: code });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return `${number(value, options)} ${code}`; // a code that this browser cannot format
  }
}

/** A sum of the ledger: the amount, with "≈" where a part of it is estimated or unknown, "+ ?" where calls have no price. */
export function cost(sum, currency) {
  const about = sum.estimated_usd_micros > 0 || sum.unknown_usd_micros > 0 ? "≈ " : "";
  return `${about}${money(sum.usd_micros, currency)}${sum.unpriced_calls > 0 ? " + ?" : ""}`;
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

/** Bytes in the largest unit that keeps them above one. */
export function bytes(value) {
  const step = value < 1 ? 0 : Math.min(Math.floor(Math.log10(value) / 3), UNITS.length - 1);
  return number(value / 1000 ** step, { style: "unit", unit: UNITS[step], unitDisplay: "short", maximumFractionDigits: 1 });
}

const STEPS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** Relative time: "3 minutes ago". */
export function ago(value, now = Date.now()) {
  const seconds = (new Date(value).getTime() - now) / 1000;
  const [unit, size] = STEPS.find(([, length]) => Math.abs(seconds) >= length) ?? STEPS.at(-1);
  return new Intl.RelativeTimeFormat(locale(), { numeric: "auto" }).format(Math.trunc(seconds / size), unit);
}
