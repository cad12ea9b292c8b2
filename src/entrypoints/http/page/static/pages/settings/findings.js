/* Findings of the service's health in the language of the page; an unknown code shows the API's sentences. */
import { bytes, dateTime, number } from "../../lib/format.js";
import { translator } from "../../lib/language.js";
import words from "../../i18n/findings.js";
import { actorName } from "./actors.js";

const t = translator(words);

function parameter(name, value, names) {
  if (Array.isArray(value)) return value.join(", ");
  if (name.endsWith("_bytes")) return bytes(value);
  if (name === "at") return dateTime(value);
  if (name === "by") return actorName(value);
  if (name === "provider") return names.provider(value);
  return typeof value === "number" ? number(value) : value;
}

/** `{part, says, fix, lang}` of a finding; `names` of `useProviderNames`. `lang` is "en" for the API's sentences. */
export function findingText({ part, says, fix, code, params }, names) {
  if (code === null || !t.has(code)) return { part, says, fix, lang: "en" };
  const values = Object.fromEntries(Object.entries(params).map(([name, value]) => [name, parameter(name, value, names)]));
  return { part: null, says: t(code, values), fix: fix === null || !t.has(`fix_${code}`) ? fix : t(`fix_${code}`, values), lang: undefined };
}
