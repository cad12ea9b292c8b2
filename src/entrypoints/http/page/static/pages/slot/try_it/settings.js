/* The settings of a run as a part of a slot's draft, and the differences between the settings of two runs. */
import { number } from "../../../lib/format.js";
import { translator } from "../../../lib/language.js";
import { findOperation } from "../../../lib/providers.js";
import { providerText, settingLabel } from "../../../i18n/providers.js";
import words from "../../../i18n/slot.js";
import tryWords from "../../../i18n/try_it.js";
import { described } from "../configuration.js";
import { canonical, documentOf, keyed } from "../draft.js";

const t = translator(words);
const tr = translator(tryWords);

/** What of a slot makes the picture; the response mode belongs to the camera. */
const FIELDS = ["templates", "prompt_fields", "failure_answer", "branded", "hedge", "late_rescue", "keep_transparency"];

/** The settings of a run as a change of the draft. First steps that its service was too busy for stay as they are. */
export function changeFrom(settings, draft) {
  const fields = Object.fromEntries(FIELDS.map((name) => [name, settings[name]]));
  return { ...fields, route: [...draft.route.slice(0, settings.skipped_steps), ...settings.route.map(keyed)] };
}

/** The settings of a draft, in the form of those of a run. */
export const settingsOf = (draft) => ({ ...documentOf(draft), skipped_steps: 0 });

/** What differs, in the order of the form: `{key, label, one, other}`, the values as texts. */
export function differences(one, other, providers) {
  const begin = Math.max(one.skipped_steps, other.skipped_steps);
  const end = Math.max(one.skipped_steps + one.route.length, other.skipped_steps + other.route.length);
  const places = Array.from({ length: Math.max(end - begin, 0) }, (_, index) => begin + index);
  const steps = places.flatMap((place) => ofStep(place, stepAt(one, place), stepAt(other, place), providers));
  const shown = FIELDS.filter((name) => name !== "branded" || [one, other].some(({ failure_answer }) => failure_answer === "branded"));
  const fields = shown
    .filter((name) => canonical(one[name]) !== canonical(other[name]))
    .map((name) => ({ key: name, label: t.of("field", name), one: described(name, one[name], providers).join("; "), other: described(name, other[name], providers).join("; ") }));
  return [...steps, ...fields];
}

const stepAt = ({ route, skipped_steps: skipped }, place) => route[place - skipped];

function ofStep(place, one, other, providers) {
  const step = t("step", { n: place + 1 });
  if (one?.provider_id !== other?.provider_id || one?.operation_id !== other?.operation_id) {
    return [{ key: `${place}`, label: step, one: nameOf(one, providers), other: nameOf(other, providers) }];
  }
  const rules = findOperation(providers, one).operation?.settings_schema.properties ?? {};
  const names = [...new Set([...Object.keys(one.settings), ...Object.keys(other.settings)])];
  const value = (entry, name) => entry.settings[name] ?? rules[name]?.default ?? null;
  return names
    .filter((name) => canonical(value(one, name)) !== canonical(value(other, name)))
    .map((name) => ({
      key: `${place} ${name}`,
      label: `${step} · ${providerText(rules[name]?.title ?? name)}`,
      one: valueText(value(one, name), rules[name]),
      other: valueText(value(other, name), rules[name]),
    }));
}

function nameOf(entry, providers) {
  if (!entry) return tr("noStep");
  const { provider, operation } = findOperation(providers, entry);
  return `${providerText(provider?.title ?? entry.provider_id)} · ${providerText(operation?.title ?? entry.operation_id)}`;
}

function valueText(value, rule) {
  if (value === null || value === "") return t("notSet");
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  if (typeof value === "number") return number(value);
  if (typeof value !== "string") return JSON.stringify(value);
  return isChoice(rule) ? settingLabel(value) : value;
}

const isChoice = (rule) => Boolean(rule?.enum ?? rule?.anyOf?.some((one) => one.enum));

const CONTEXT = 4;

/** Two texts without what they have in common at both ends: `{before, one, other, after}`, with a few words around it. */
export function changedPart(one, other) {
  const [a, b] = [one.split(/(\s+)/), other.split(/(\s+)/)];
  const most = Math.min(a.length, b.length);
  let from = 0;
  while (from < most && a[from] === b[from]) from += 1;
  let end = 0;
  while (end < most - from && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  const around = 2 * CONTEXT;
  const [first, last] = [Math.max(from - around, 0), Math.max(end - around, 0)];
  return {
    before: `${first > 0 ? "… " : ""}${a.slice(first, from).join("")}`,
    one: a.slice(from, a.length - end).join(""),
    other: b.slice(from, b.length - end).join(""),
    after: `${a.slice(a.length - end, a.length - last).join("")}${last > 0 ? " …" : ""}`,
  };
}
