/* The prompts of the route beside the pictures, to change one and try again. */
import { html } from "../../../lib/html.js";
import { translator } from "../../../lib/language.js";
import { findOperation } from "../../../lib/providers.js";
import { Field } from "../../../parts/field.js";
import { providerText } from "../../../i18n/providers.js";
import words from "../../../i18n/slot.js";

const t = translator(words);
const SHORT = 200;

/** The long texts of the steps that may contain `{field}`. */
export function Prompts({ draft, providers, change }) {
  const prompts = draft.route.flatMap((entry, place) => {
    const { operation } = findOperation(providers, entry);
    const rules = operation?.settings_schema.properties ?? {};
    const long = (operation?.prompts ?? []).filter((name) => (rules[name].maxLength ?? Infinity) > SHORT);
    return long.map((name) => ({ entry, place, name, rule: rules[name] }));
  });
  const set = (place, name, text) => {
    const { [name]: before, ...others } = draft.route[place].settings;
    const settings = text === "" ? others : { ...others, [name]: text };
    change({ route: draft.route.with(place, { ...draft.route[place], settings }) });
  };
  return prompts.map(({ entry, place, name, rule }) => html`
    <${Field}
      key=${`${entry.key} ${name}`}
      id=${`try-${entry.key}-${name}`}
      label=${`${t("step", { n: place + 1 })} · ${providerText(rule.title ?? name)}`}
      control=${(attributes) => html`<textarea ...${attributes} rows="4" maxlength=${rule.maxLength} value=${entry.settings[name] ?? rule.default ?? ""} onInput=${(event) => set(place, name, event.target.value)}></textarea>`}
    />
  `);
}
