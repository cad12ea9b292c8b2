/* English and Russian: by what the browser prefers, until somebody chooses. Words live in `i18n/`, both languages beside each other. */
import { remember, remembered } from "./remembered.js";
import { store } from "./store.js";

export const LANGUAGES = { en: "English", ru: "Русский" };

const preferred = (navigator.languages ?? [navigator.language]).map((tag) => tag.slice(0, 2).toLowerCase());
const chosen = remembered("language");

export const language = store(chosen in LANGUAGES ? chosen : (preferred.find((code) => code in LANGUAGES) ?? "en"));

export function choose(code) {
  remember("language", code);
  language.set(code);
}

const mark = (code) => (document.documentElement.lang = code);
language.listen(mark);
mark(language.get());

/** The locale of dates and numbers: the browser's own where it speaks the chosen language, else that language's. */
export function locale() {
  const code = language.get();
  return (navigator.languages ?? []).find((tag) => tag.toLowerCase().startsWith(code)) ?? code;
}

/**
 * A function that says a key of these words, `{en: {...}, ru: {...}}`, in the language of the moment.
 * `{name}` is put in from the values. A text with plural forms is an object (`one`, `few`, `many`, `other`), chosen by `n`.
 */
export function say(words) {
  return (key, values = {}) => {
    const code = language.get();
    let text = words[code][key];
    if (text === undefined) throw new Error(`There are no words for "${key}".`);
    if (typeof text === "object") text = text[new Intl.PluralRules(code).select(values.n)] ?? text.other;
    return text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? String(values[name]) : all));
  };
}
