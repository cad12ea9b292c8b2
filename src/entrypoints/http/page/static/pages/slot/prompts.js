/* Prompts with `{field}`: insert a field, allow a field, preview with sample values. */
import { html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { Field, newId } from "../../parts/field.js";
import { Icon } from "../../parts/icon.js";
import { providerText } from "../../i18n/providers.js";
import words from "../../i18n/slot.js";

const t = translator(words);
const FIELD = /\{([A-Za-z_][A-Za-z0-9_]{0,63})\}/g;
const MOST_CHARACTERS = 200;
const HARMLESS = { "{": "(", "}": ")", "<": "(", ">": ")", "[": "(", "]": ")", '"': "'", "`": "'", "\\": "/" };

/** The distinct fields in a text. */
export const namedIn = (text) => [...new Set([...text.matchAll(FIELD)].map((match) => match[1]))];

/** A field value as the service inserts it into prompts: one short line without brackets and quotes. */
const made = (text) =>
  text
    .slice(0, 4 * MOST_CHARACTERS)
    .normalize("NFC")
    .replace(/\s+/g, " ")
    .replace(/\p{C}/gu, "")
    .replace(/[{}<>[\]"`\\]/g, (sign) => HARMLESS[sign])
    .slice(0, MOST_CHARACTERS)
    .trim();

/** Tools of a prompt: insert a field at the cursor, allow the fields that are used. */
export function PromptTools({ id, text, fields, onAllow, onChange }) {
  const strange = namedIn(text).filter((name) => !fields.includes(name));
  const put = (name) => {
    const area = document.getElementById(id);
    const [from, to] = [area.selectionStart ?? text.length, area.selectionEnd ?? text.length];
    onChange(`${text.slice(0, from)}{${name}}${text.slice(to)}`);
    area.focus();
  };
  if (fields.length === 0 && strange.length === 0) return null;
  return html`
    <div class="row prompt-tools">
      ${fields.map((name) => html`<button key=${name} type="button" class="chip" aria-label=${t("putField", { name })} onClick=${() => put(name)}><${Icon} name="plus" size=${14} /> {${name}}</button>`)}
      ${strange.map((name) => html`<button key=${name} type="button" class="chip chip-warn" onClick=${() => onAllow(name)}>${t("allowField", { name: `{${name}}` })}</button>`)}
    </div>
  `;
}

/** The form fields that prompts may use. */
export function PromptFields({ fields, error, onChange }) {
  const [id] = useState(newId);
  const [typed, setTyped] = useState("");
  const add = () => {
    const name = typed.trim().replace(/^\{|\}$/g, "");
    if (name && !fields.includes(name)) onChange([...fields, name]);
    setTyped("");
  };
  const onKeyDown = (event) => {
    if (event.key !== "Enter" && event.key !== ",") return;
    event.preventDefault();
    add();
  };
  return html`
    <div class="stack">
      ${fields.length > 0 && html`<ul class="row chips">${fields.map((name, place) => html`<li key=${name} class=${error(`prompt_fields.${place}`) ? "chip chip-warn" : "chip"}><code>${name}</code><button type="button" aria-label=${t("removeField", { name })} onClick=${() => onChange(fields.filter((one) => one !== name))}><${Icon} name="close" size=${14} /></button></li>`)}</ul>`}
      <${Field} id=${id} label=${t("addField")} help=${t("fieldsHelp")} error=${error("prompt_fields") ?? fields.map((_, place) => error(`prompt_fields.${place}`)).find(Boolean)} control=${(attributes) => html`<div class="joined"><input ...${attributes} type="text" autocapitalize="none" spellcheck=${false} maxlength="64" value=${typed} onInput=${(event) => setTyped(event.target.value)} onKeyDown=${onKeyDown} /><button type="button" class="button" disabled=${typed.trim() === ""} onClick=${add}><${Icon} name="plus" /> ${t("add")}</button></div>`} />
    </div>
  `;
}

/** Preview of each prompt with sample values. `prompts` are `{where, label, text}`. */
export function PromptPreview({ prompts, fields }) {
  const [samples, setSamples] = useState({});
  const used = fields.filter((name) => prompts.some(({ text }) => namedIn(text).includes(name)));
  const previewed = prompts.filter(({ text }) => namedIn(text).length > 0);
  if (previewed.length === 0) return html`<p class="soft">${t("noFieldsUsed")}</p>`;
  return html`
    <div class="stack">
      <div class="settings">
        ${used.map((name) => html`<${Field} key=${name} id=${`sample-${name}`} label=${t("sample", { name })} control=${(attributes) => html`<input ...${attributes} type="text" maxlength="300" value=${samples[name] ?? ""} onInput=${(event) => setSamples({ ...samples, [name]: event.target.value })} />`} />`)}
      </div>
      ${previewed.map(({ where, label, text }) => html`<figure key=${where + label} class="prompt-preview"><figcaption class="soft">${where} · ${providerText(label)}</figcaption><p>${pieces(text, fields, samples)}</p></figure>`)}
    </div>
  `;
}

function pieces(text, fields, samples) {
  const parts = text.split(FIELD);
  return parts.map((part, place) => {
    if (place % 2 === 0) return part;
    return fields.includes(part) ? html`<mark key=${place}>${made(samples[part] ?? "") || t("nothingWritten")}</mark>` : `{${part}}`;
  });
}
