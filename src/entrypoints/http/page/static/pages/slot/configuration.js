/* The form of a slot: route, templates, prompts, failure answer. */
import { bytes, dateTime, number } from "../../lib/format.js";
import { html } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { errorOf } from "../../lib/messages.js";
import { findOperation, rolesOf, sharedSettings } from "../../lib/providers.js";
import { Field } from "../../parts/field.js";
import { providerText } from "../../i18n/providers.js";
import words from "../../i18n/slot.js";
import { CameraPassword, describedPassword } from "./camera_password.js";
import { PromptFields, PromptPreview } from "./prompts.js";
import { RouteEditor } from "./route.js";
import { SchemaForm } from "./schema_form.js";
import { TemplatePickers } from "./templates.js";
import { RecipeButton } from "./try_it/recipes.js";

const t = translator(words);
const LONGEST_VALUE = 1000;
const BRANDING = "local";
const MEGABYTE = 1024 * 1024;

/** `change(part)` updates the draft; `problem` is the problem of the last save, or null. */
export function Configuration({ draft, providers, problem, readOnly, change }) {
  const error = (field) => errorOf(problem, field);
  const below = (prefix) => (problem?.errors ?? []).some(({ field }) => field.startsWith(`${prefix}.`));
  const branding = { provider_id: BRANDING, ...draft.branded };
  const allow = (name) => change({ prompt_fields: [...draft.prompt_fields, name] });
  const roles = rolesOf(providers, [...draft.route, branding]);
  return html`
    <fieldset class="configuration" disabled=${readOnly}>
      <legend class="unseen">${t("configuration")}</legend>
      <div class="stack">
        <section class="card stack">
          <${Field} id="slot-name" label=${t("name")} error=${error("name")} control=${(attributes) => html`<input ...${attributes} type="text" maxlength="200" value=${draft.name} onInput=${(event) => change({ name: event.target.value })} />`} />
        </section>
        <section class="card stack">
          <div class="row row-apart"><div><h2>${t("route")}</h2><p class="soft">${t("routeHelp")}</p></div><${RecipeButton} draft=${draft} providers=${providers} change=${change} /></div>
          <${RouteEditor} entries=${draft.route} providers=${providers} fields=${draft.prompt_fields} readOnly=${readOnly} error=${error} below=${below} onAllow=${allow} onChange=${(route) => change({ route })} />
          <${Check} label=${t("hedge")} help=${t("hedgeHelp")} error=${error("hedge")} checked=${draft.hedge} onChange=${(hedge) => change({ hedge })} />
          <${Check} label=${t("lateRescue")} help=${t("lateRescueHelp")} error=${error("late_rescue")} checked=${draft.late_rescue} onChange=${(late_rescue) => change({ late_rescue })} />
        </section>
        <section class="card stack">
          <div><h2>${t("templates")}</h2><p class="soft">${t("templatesHelp")}</p></div>
          ${error("templates") && html`<p class="error">${error("templates")}</p>`}
          <${TemplatePickers} roles=${roles} bindings=${draft.templates} error=${error} onChange=${(templates) => change({ templates })} />
        </section>
        <section class="card stack">
          <div><h2>${t("promptFields")}</h2><p class="soft">${t("promptFieldsHelp")}</p></div>
          <${PromptFields} fields=${draft.prompt_fields} error=${error} onChange=${(prompt_fields) => change({ prompt_fields })} />
          <h3>${t("preview")}</h3>
          <${PromptPreview} prompts=${promptsOf(draft, branding, providers)} fields=${draft.prompt_fields} />
        </section>
      </div>
      <div class="stack">
        <${FailureAnswer} draft=${draft} branding=${branding} providers=${providers} error=${error} onAllow=${allow} change=${change} />
        <section class="card stack">
          <h2>${t("answer")}</h2>
          <div class="settings">
            <${Field} id="slot-mode" label=${t("responseMode")} help=${t("responseModeHelp")} error=${error("response_mode")} control=${(attributes) => html`<select ...${attributes} onChange=${(event) => change({ response_mode: event.target.value })}>${["image", "multipart"].map((mode) => html`<option key=${mode} value=${mode} selected=${mode === draft.response_mode}>${t(`mode_${mode}`)}</option>`)}</select>`} />
            <${Field} id="slot-upload" label=${t("maxUpload")} help=${t("maxUploadHelp")} error=${error("max_upload_bytes")} control=${(attributes) => html`<input ...${attributes} type="number" min="0.001" step="any" placeholder=${t("asTheService")} value=${draft.max_upload_bytes === null ? "" : +(draft.max_upload_bytes / MEGABYTE).toFixed(3)} onInput=${(event) => change({ max_upload_bytes: event.target.value === "" ? null : Math.round(Number(event.target.value) * MEGABYTE) })} />`} />
            <${Field} id="slot-budget" label=${t("budget")} help=${t("budgetHelp")} error=${error("budget") ?? error("budget.per_day")} control=${(attributes) => html`<input ...${attributes} type="number" min="0" step="any" placeholder=${t("noBudget")} value=${draft.budget === null ? "" : draft.budget.per_day} onInput=${(event) => change({ budget: event.target.value === "" ? null : { per_day: Number(event.target.value) } })} />`} />
          </div>
          <${Check} label=${t("keepTransparency")} help=${t("keepTransparencyHelp")} error=${error("keep_transparency")} checked=${draft.keep_transparency} onChange=${(keep_transparency) => change({ keep_transparency })} />
        </section>
        <${CameraPassword} isSet=${draft.ingest_password_set} value=${draft.ingest_password} error=${error("ingest_password")} onChange=${(ingest_password) => change({ ingest_password })} />
      </div>
    </fieldset>
  `;
}

export function Check({ label, help, error, checked, onChange }) {
  return html`
    <div class=${error ? "field field-wrong" : "field"}>
      <label class="check"><input type="checkbox" checked=${checked} onChange=${(event) => onChange(event.target.checked)} /> ${label}</label>
      <p class="help check-help">${help}</p>
      ${error && html`<p class="error">${error}</p>`}
    </div>
  `;
}

/** Every setting that may contain `{field}`, with its text or default. */
function promptsOf(draft, branding, providers) {
  const steps = draft.route.map((entry, place) => [t("step", { n: place + 1 }), entry]);
  const all = draft.failure_answer === "branded" ? [...steps, [t("failureAnswer"), branding]] : steps;
  return all.flatMap(([where, entry]) => {
    const { operation } = findOperation(providers, entry);
    return (operation?.prompts ?? []).map((name) => {
      const rule = operation.settings_schema.properties[name];
      return { where, label: providerText(rule.title ?? name), text: String(entry.settings[name] ?? rule.default ?? "") };
    });
  });
}

function FailureAnswer({ draft, branding, providers, error, onAllow, change }) {
  const { provider, operation } = findOperation(providers, branding);
  const settings = branding.settings ?? {};
  return html`
    <section class="card stack">
      <div><h2 id="failure-answer">${t("failureAnswer")}</h2><p class="soft">${t("failureAnswerHelp")}</p></div>
      ${error("failure_answer") && html`<p class="error">${error("failure_answer")}</p>`}
      <div class="choices" role="radiogroup" aria-labelledby="failure-answer">
        ${["error", "original", "branded"].map((answer) => html`<label key=${answer} class="choice"><input type="radio" name="failure_answer" value=${answer} checked=${answer === draft.failure_answer} onChange=${() => change({ failure_answer: answer })} /><span><b>${t(`answer_${answer}`)}</b><small class="soft">${t(`answer_${answer}_help`)}</small></span></label>`)}
      </div>
      ${draft.failure_answer === "branded" && provider && html`
        <${Field} id="branded-operation" label=${t("brandedBy")} error=${error("branded.operation_id") ?? error("branded")} control=${(attributes) => html`<select ...${attributes} onChange=${(event) => change({ branded: { operation_id: event.target.value, settings: {} } })}>${provider.operations.map((one) => html`<option key=${one.id} value=${one.id} selected=${one.id === branding.operation_id}>${providerText(one.title)}</option>`)}</select>`} />
        ${operation && html`<${SchemaForm} id="branded" schema=${operation.settings_schema} settings=${settings} prompts=${operation.prompts} fields=${draft.prompt_fields} last=${sharedSettings(provider)} onAllow=${onAllow} wrong=${(name) => error(`branded.settings.${name}`)} onChange=${(next) => change({ branded: { operation_id: branding.operation_id, settings: next } })} />`}
      `}
    </section>
  `;
}

/** The value of a field as text, to compare two versions. */
export function described(name, value, providers) {
  if (name === "ingest_password") return [describedPassword(value)];
  if (value === null || value === undefined || value === "") return [t("notSet")];
  if (typeof value === "boolean") return [t(value ? "yes" : "no")];
  if (name === "route") return value.length ? value.map((entry, place) => `${place + 1}. ${entryText(entry, providers)}`) : [t("noSteps")];
  if (name === "branded") return [entryText({ provider_id: BRANDING, settings: {}, ...value }, providers)];
  if (name === "templates") return value.length ? value.map(({ setting_key, media_id }) => `${providerText(setting_key)}: …${media_id.slice(-12)}`) : [t("notSet")];
  if (name === "prompt_fields") return value.length ? [value.join(", ")] : [t("notSet")];
  if (name === "failure_answer") return [t.of("answer", value)];
  if (name === "response_mode") return [t.of("mode", value)];
  if (name === "max_upload_bytes") return [bytes(value)];
  if (name === "budget") return [number(value.per_day)];
  if (name === "gallery_open_until") return [dateTime(value)];
  return [String(value)];
}

const short = (text) => (text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text);

function entryText(entry, providers) {
  const { provider, operation } = findOperation(providers, entry);
  const rules = operation?.settings_schema.properties ?? {};
  const settings = Object.entries(entry.settings ?? {}).map(([name, value]) => `${providerText(rules[name]?.title ?? name)}: ${typeof value === "number" ? number(value) : short(providerText(String(value)))}`);
  return [`${providerText(provider?.title ?? entry.provider_id)} · ${providerText(operation?.title ?? entry.operation_id)}`, ...settings].join("; ");
}
