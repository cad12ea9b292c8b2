/* What applies to every photo: how long a guest waits, how long pictures stay, what is taken. */
import { Problem, ask, me } from "../../lib/api.js";
import { number } from "../../lib/format.js";
import { html, useState } from "../../lib/html.js";
import { say } from "../../lib/language.js";
import { Field } from "../../parts/field.js";
import { Icon } from "../../parts/icon.js";
import { Pill, Trouble } from "../../parts/states.js";
import { toast } from "../../parts/toasts.js";
import common from "../../i18n/common.js";
import words from "../../i18n/settings.js";

const t = say(words);
const c = say(common);

/** From where to where each can be set, in the unit that is shown; `factor` makes the API's unit of it, always a whole number then. */
const FIELDS = {
  sync_response_seconds: { low: 10, high: 60, unit: "seconds" },
  result_retention_hours: { low: 0.02, high: 87_600, unit: "hours" },
  max_active_jobs: { low: 1, high: 10_000, whole: true },
  max_upload_bytes: { low: 0.001, high: 1024, unit: "mib", factor: 1024 * 1024 },
  max_image_pixels: { low: 0.000_001, high: 1000, unit: "megapixels", factor: 1_000_000 },
};

const rounded = (value) => String(Math.round(value * 1000) / 1000);
const shown = (name, value) => rounded(value / (FIELDS[name].factor ?? 1));

/** What is wrong with a text, by the bounds that the API has too; null where nothing is. */
function trouble(name, text) {
  const { low, high, whole } = FIELDS[name];
  const value = Number(text);
  if (text.trim() !== "" && value >= low && value <= high && (!whole || Number.isInteger(value))) return null;
  return t(whole ? "wholeBetween" : "between", { low: number(low, { maximumFractionDigits: 6 }), high: number(high) });
}

/** `draft` holds the texts that differ from what applies, null for those that go back to the configuration. */
export function Service({ settings, again, draft, setDraft }) {
  const [problem, setProblem] = useState(null);
  const [checked, setChecked] = useState(false);
  const [busy, setBusy] = useState(false);
  const [theirs, setTheirs] = useState([]);
  const may = me.get().permissions.includes("settings:write");
  const names = Object.keys(FIELDS);
  const wrong = Object.fromEntries(names.filter((name) => typeof draft[name] === "string").map((name) => [name, trouble(name, draft[name])]));

  const change = (name, value) => {
    const { [name]: before, ...others } = draft;
    setDraft(value === undefined || value === shown(name, settings[name]) ? others : { ...others, [name]: value });
    if (problem?.of(name)) setProblem(null);
  };
  const onSubmit = async (event) => {
    event.preventDefault();
    setChecked(true);
    const first = names.find((name) => wrong[name]);
    if (first) {
      document.getElementById(first).focus();
      return;
    }
    const json = Object.fromEntries(Object.entries(draft).map(([name, text]) => [name, text === null ? null : value(name, text)]));
    setBusy(true);
    setProblem(null);
    try {
      await ask("PUT", "/api/settings", { json, headers: { "If-Match": settings.etag } });
      setDraft({});
      setTheirs([]);
      setChecked(false);
      toast(t("saved"));
      again();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
      if (error.status === 412) {
        setTheirs(names.map((name) => [name, settings[name]]));
        again();
      }
    } finally {
      setBusy(false);
    }
  };
  const moved = theirs.filter(([name, before]) => settings[name] !== before).map(([name]) => name);
  const changed = Object.keys(draft).length > 0;

  return html`
    <form class="stack settings-form" noValidate onSubmit=${onSubmit}>
      ${problem && problem.status !== 412 && !names.some((name) => problem.of(name)) && html`<${Trouble} problem=${problem} />`}
      ${problem?.status === 412 && html`
        <div class="notice" role="alert">
          <p>${t("changedMeanwhile")}</p>
          ${moved.length > 0 && html`<ul>${moved.map((name) => html`<li key=${name}>${t(name)}: ${t("nowIs", { value: shown(name, settings[name]) })}</li>`)}</ul>`}
        </div>
      `}
      <div class="card settings-fields">
        ${names.map((name) => html`<${Setting} key=${name} ...${{ name, settings, may }} text=${draft[name]} error=${problem?.of(name) ?? (checked ? wrong[name] : null)} onChange=${(value) => change(name, value)} />`)}
      </div>
      ${may && html`
        <div class="actions settings-actions">
          <button type="button" class="button" disabled=${!changed || busy} onClick=${() => { setDraft({}); setProblem(null); }}>${c("discard")}</button>
          <button class="button button-primary" disabled=${!changed || busy}><${Icon} name="check" /> ${c("save")}</button>
        </div>
      `}
    </form>
  `;
}

function value(name, text) {
  const { factor } = FIELDS[name];
  return factor ? Math.round(Number(text) * factor) : Number(text);
}

function Setting({ name, settings, text, error, may, onChange }) {
  const { unit } = FIELDS[name];
  const stored = settings.stored.includes(name);
  const resets = text === null;
  const control = (attributes) => html`
    <div class="setting-value">
      <input ...${attributes} type="text" inputmode="decimal" autocomplete="off" readonly=${!may} value=${resets ? "" : (text ?? shown(name, settings[name]))} placeholder=${resets ? t("asConfigured") : ""} onInput=${(event) => onChange(event.target.value)} />
      ${unit && html`<span class="soft">${t(`unit_${unit}`)}</span>`}
    </div>
  `;
  return html`
    <div class="setting">
      <${Field} id=${name} label=${t(name)} help=${t(`help_${name}`)} error=${error} control=${control} />
      <div class="setting-source">
        <${Pill} tone=${stored && !resets ? "busy" : "mute"}>${stored && !resets ? t("setHere") : t("configured")}<//>
        ${may && (text !== undefined
          ? html`<button type="button" class="button button-plain" aria-label=${`${t("undo")}: ${t(name)}`} onClick=${() => onChange(undefined)}><${Icon} name="refresh" /> ${t("undo")}</button>`
          : stored && html`<button type="button" class="button button-plain" aria-label=${`${t("reset")}: ${t(name)}`} onClick=${() => onChange(null)}><${Icon} name="refresh" /> ${t("reset")}</button>`)}
      </div>
    </div>
  `;
}
