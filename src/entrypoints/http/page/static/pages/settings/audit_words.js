/* What entries of the audit log name, in words: fields and their values, slots and providers by their names. */
import { dateTimeExact, number } from "../../lib/format.js";
import { translator } from "../../lib/language.js";
import { useProviderNames } from "../../parts/provider_names.js";
import { useSlots } from "../../parts/slot_names.js";
import common from "../../i18n/common.js";
import { providerText, settingLabel } from "../../i18n/providers.js";
import permissions from "../../i18n/settings.js";
import words from "../../i18n/settings_audit.js";

const t = translator(words);
const c = translator(common);
const p = translator(permissions);

const OF_SLOTS = ["slot_changed", "stats_reset", "webhook_changed", "webhook_removed"];

/** `{field(name, action), target(entry), lines(name, value)}`; `lines` are null for a value that is not set. */
export function useAuditWords() {
  const names = useProviderNames();
  const slots = useSlots();
  const slot = (id) => slots.find((one) => one.id === id)?.name ?? id;
  const text = textOf(names, slot);
  return {
    field: (name, action) => (action === "provider_limits_changed" ? names.provider(name) : fieldName(name)),
    target: ({ action, target }) => (OF_SLOTS.includes(action) ? slot(target) : action.startsWith("provider_") ? names.provider(target) : target),
    lines: (name, value) => linesOf(name, value, text),
  };
}

/** A name of the service's settings or slots, else that of a provider's setting. */
const fieldName = (name) => (t.has(`field_${name}`) ? t.of("field", name) : settingLabel(name));

/** One line for each part of a list, such as the steps of a route. */
function linesOf(name, value, text) {
  if (value === null || value === undefined) return null;
  if (!Array.isArray(value)) return [text(name, value)];
  if (value.length === 0) return [t("nothingThere")];
  if (value.every((one) => typeof one !== "object")) return [value.map((one) => text(name, one)).join(", ")];
  return value.map((one, place) => `${place + 1}. ${text(name, one)}`);
}

/** A function that returns a value of a field in words. */
function textOf(names, slot) {
  const text = (name, value) => {
    if (value === null || value === undefined) return t("unset");
    if (value === true || value === false) return c(value ? "yes" : "no");
    if (typeof value === "number") return number(value, { maximumFractionDigits: 6 });
    if (Array.isArray(value)) return name === "unbound" ? bound(value) : (linesOf(name, value, text) ?? [t("unset")]).join("; ");
    return typeof value === "object" ? object(value) : word(name, value);
  };

  const word = (name, value) => {
    if (name === "slot_id") return slot(value);
    if (name === "permissions") return p.of("permission", value);
    if (/^\d{4}-\d\d-\d\dT/.test(value)) return dateTimeExact(value);
    return t.has(`value_${value}`) ? t.of("value", value) : providerText(value);
  };

  /** The slot and the role of a template. */
  const bound = ([id, role]) => `${slot(id)} (${providerText(role)})`;

  const object = ({ provider_id: provider, operation_id: operation, settings, ...facts }) => {
    const head = provider ? names.both(provider, operation) : operation ? names.operation("local", operation) : null;
    const rest = [
      ...Object.entries(facts).map(([name, one]) => `${fieldName(name)}: ${text(name, one)}`),
      ...Object.entries(settings ?? {}).map(([name, one]) => `${names.setting(provider ?? "local", operation, name)}: ${text(name, one)}`),
    ];
    return [head, ...rest].filter(Boolean).join("; ") || t("nothingThere");
  };

  return text;
}
