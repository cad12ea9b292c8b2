/* A form from the JSON Schema of an operation's settings, with defaults. */
import { number } from "../../lib/format.js";
import { html } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { Field } from "../../parts/field.js";
import { providerText, settingLabel } from "../../i18n/providers.js";
import pairWords from "../../i18n/pairs.js";
import words from "../../i18n/slot.js";
import { FileText } from "./file_text.js";
import { Pairs } from "./pairs.js";
import { PromptTools } from "./prompts.js";

const t = translator(words);
const ofPairs = translator(pairWords);
const COLOUR = "^#[0-9A-Fa-f]{6}$";
const LONGEST_LINE = 200;
const LONGEST_SLIDER = 10_000;

/**
 * `settings` are the values that are set; `onChange(settings)` receives new ones. `wrong(name)` is the error text of a setting.
 * `prompts` names those that may contain `{field}`, `fields` the allowed fields, `last` the settings shown at the end.
 */
export function SchemaForm({ id, schema, settings, prompts, fields, last, onAllow, wrong, onChange }) {
  const names = Object.keys(schema.properties ?? {});
  const first = (name) => (prompts.includes(name) ? 0 : schema.required?.includes(name) ? 1 : last.includes(name) ? 3 : 2);
  const sorted = names.toSorted((a, b) => first(a) - first(b));
  const set = (name) => (value) => {
    const { [name]: before, ...rest } = settings;
    onChange(value === undefined ? rest : { ...settings, [name]: value });
  };
  const unknown = Object.keys(settings).filter((name) => !names.includes(name));
  return html`
    <div class="settings">
      ${sorted.map((name) => html`<${Setting} key=${name} id=${`${id}-${name}`} name=${name} rule=${plain(schema.properties[name])} value=${settings[name]} error=${wrong(name) ?? wrongPart(name, settings[name], wrong)} isPrompt=${prompts.includes(name)} fields=${fields} onAllow=${onAllow} onChange=${set(name)} />`)}
      ${unknown.map((name) => html`<p key=${name} class="schema-setting-unknown"><span>${t("unknownSetting", { name })} ${wrong(name)}</span> <button type="button" class="button" onClick=${() => set(name)(undefined)}>${t("remove")}</button></p>`)}
    </div>
  `;
}

/** The first error of a part of a mapping, or null. */
function wrongPart(name, value, wrong) {
  if (typeof value !== "object" || value === null) return null;
  const part = Object.keys(value).find((key) => wrong(`${name}.${key}`) !== null);
  return part === undefined ? null : `${part}: ${wrong(`${name}.${part}`)}`;
}

/** The rule without the alternative `null`, which becomes `nullable`. */
function plain(rule) {
  const choices = rule.anyOf ?? rule.oneOf;
  if (!choices) return rule;
  const some = choices.filter((one) => one.type !== "null");
  return some.length === 1 ? { ...some[0], ...rule, nullable: some.length < choices.length } : rule;
}

function Setting({ id, name, rule, value, error, isPrompt, fields, onAllow, onChange }) {
  const label = providerText(rule.title ?? name);
  const shown = value === undefined ? rule.default : value;
  const help = [rule.description && providerText(rule.description), isMapping(rule) && ofPairs("perLine"), defaultText(rule)].filter(Boolean).join(" ");
  if (rule.type === "boolean") {
    return html`
      <div class=${error ? "field field-wrong" : "field"}>
        <label class="check"><input type="checkbox" checked=${shown === true} aria-describedby=${`${id}-help`} onChange=${(event) => onChange(event.target.checked)} /> ${label}</label>
        <p class="help" id=${`${id}-help`}>${help}</p>
        ${error && html`<p class="error">${error}</p>`}
      </div>
    `;
  }
  const wide = isLong(rule, isPrompt);
  return html`
    <div class=${wide ? "schema-setting schema-setting-wide" : "schema-setting"}>
      <${Field} id=${id} label=${label} help=${help} error=${error} control=${(attributes) => control({ attributes, rule, shown, label, wide, onChange })} />
      ${isPrompt && html`<${PromptTools} id=${id} text=${shown ?? ""} fields=${fields} onAllow=${onAllow} onChange=${onChange} />`}
    </div>
  `;
}

const isNumber = (rule) => rule.type === "integer" || rule.type === "number";
const isMapping = (rule) => rule.type === "object";
const isLong = (rule, isPrompt) => isMapping(rule) || rule.type === "string" && !rule.enum && !rule.pattern && (isPrompt ? (rule.maxLength ?? Infinity) > 80 : (rule.maxLength ?? Infinity) > LONGEST_LINE);

function defaultText(rule) {
  if (isMapping(rule)) return "";
  if (rule.default === undefined || rule.default === null || rule.default === "" || (rule.type === "string" && !rule.enum && String(rule.default).length > 60)) return "";
  const value = typeof rule.default === "boolean" ? t(rule.default ? "yes" : "no") : isNumber(rule) ? number(rule.default) : rule.enum ? settingLabel(rule.default) : rule.default;
  return t("default", { value });
}

function control({ attributes, rule, shown, label, wide, onChange }) {
  if (isMapping(rule)) return html`<${Pairs} attributes=${attributes} rule=${rule} shown=${shown ?? {}} onChange=${onChange} />`;
  if (rule.enum) return Choice({ attributes, rule, shown, onChange });
  if (isNumber(rule)) return Amount({ attributes, rule, shown, label, onChange });
  if (rule.pattern === COLOUR) return Colour({ attributes, shown, label, onChange });
  const onInput = (event) => onChange(event.target.value === "" && rule.default === undefined ? undefined : event.target.value);
  if (rule.contentMediaType) return html`<${FileText} attributes=${attributes} label=${label} mime=${rule.contentMediaType} most=${rule.maxLength} text=${shown ?? ""} onText=${(text) => onChange(text === "" ? undefined : text)} />`;
  if (wide) return html`<textarea ...${attributes} rows="5" maxlength=${rule.maxLength} value=${shown ?? ""} onInput=${onInput}></textarea>`;
  const list = rule.examples?.length ? `${attributes.id}-list` : undefined;
  return html`
    <input ...${attributes} type="text" maxlength=${rule.maxLength} list=${list} value=${shown ?? ""} onInput=${onInput} />
    ${list && html`<datalist id=${list}>${rule.examples.map((example) => html`<option key=${example} value=${example} />`)}</datalist>`}
  `;
}

function Choice({ attributes, rule, shown, onChange }) {
  const values = shown === undefined || shown === null || rule.enum.includes(shown) ? rule.enum : [...rule.enum, shown];
  const onPick = (event) => onChange(event.target.value === "" ? null : values.find((value) => String(value) === event.target.value));
  return html`
    <select ...${attributes} onChange=${onPick}>
      ${rule.nullable && html`<option value="" selected=${shown === null || shown === undefined}>${t("notSet")}</option>`}
      ${values.map((value) => html`<option key=${value} value=${value} selected=${value === shown}>${settingLabel(value)}</option>`)}
    </select>
  `;
}

/** A number input, with a slider if both bounds are known and close enough. */
function Amount({ attributes, rule, shown, label, onChange }) {
  const { minimum, maximum } = rule;
  const step = rule.multipleOf ?? (rule.type === "integer" ? 1 : "any");
  const onInput = (event) => {
    const text = event.target.value;
    onChange(text === "" ? (rule.nullable ? null : undefined) : Number(text));
  };
  const slides = !rule.nullable && minimum !== undefined && maximum !== undefined && maximum - minimum <= LONGEST_SLIDER;
  return html`
    <div class=${slides ? "amount" : undefined}>
      ${slides && html`<input type="range" aria-label=${t("slider", { label })} min=${minimum} max=${maximum} step=${rule.type === "integer" ? 1 : (maximum - minimum) / 100} value=${shown ?? minimum} onInput=${onInput} />`}
      <input ...${attributes} type="number" inputmode=${rule.type === "integer" && !(minimum < 0) ? "numeric" : undefined} min=${minimum} max=${maximum} step=${step} placeholder=${rule.nullable ? t("notSet") : undefined} value=${shown ?? ""} onInput=${onInput} />
    </div>
  `;
}

function Colour({ attributes, shown, label, onChange }) {
  const onInput = (event) => onChange(event.target.value.toUpperCase());
  return html`
    <div class="colour">
      <input type="color" aria-label=${t("pickColour", { label })} value=${/^#[0-9a-f]{6}$/i.test(shown ?? "") ? shown.toLowerCase() : "#000000"} onInput=${onInput} />
      <input ...${attributes} type="text" maxlength="7" spellcheck=${false} value=${shown ?? ""} onInput=${onInput} />
    </div>
  `;
}
