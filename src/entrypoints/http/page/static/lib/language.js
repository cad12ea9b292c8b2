/* English and Russian: the browser's preference until the user chooses. Texts are in `i18n/`, both languages in one file. */
import { savePreference, readPreference } from "./preferences.js";
import { store } from "./store.js";

export const LANGUAGES = { en: "English", ru: "Русский" };

const preferred = (navigator.languages ?? [navigator.language]).map((tag) => tag.slice(0, 2).toLowerCase());
const chosen = readPreference("language");

export const language = store(chosen in LANGUAGES ? chosen : (preferred.find((code) => code in LANGUAGES) ?? "en"));

export function choose(code) {
  savePreference("language", code);
  language.set(code);
}

const mark = (code) => (document.documentElement.lang = code);
language.listen(mark);
mark(language.get());

/** The locale of dates and numbers: the browser's if it is of the chosen language, else that language. */
export function locale() {
  const code = language.get();
  return (navigator.languages ?? []).find((tag) => tag.toLowerCase().startsWith(code)) ?? code;
}

/**
 * A function that returns the text of a key of `{en: {...}, ru: {...}}` in the current language.
 * `{name}` is replaced by a value. A text with plural forms is an object (`one`, `few`, `many`, `other`), selected by `n`.
 * Its `of(group, value)` is the text of a value that the API sends, under the key `group_value`; a value without a text
 * is shown as it is: a newer service may send values that this page does not know.
 */
export function translator(words) {
  const say = (key, values = {}) => {
    const code = language.get();
    let text = words[code][key];
    if (text === undefined) {
      console.error(`missing text: ${key}`);
      return key;
    }
    if (typeof text === "object") text = text[new Intl.PluralRules(code).select(values.n)] ?? text.other;
    return text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? String(values[name]) : all));
  };
  say.has = (key) => Object.hasOwn(words.en, key);
  say.of = (group, value, values) => (say.has(`${group}_${value}`) ? say(`${group}_${value}`, values) : String(value ?? "–"));
  return say;
}
