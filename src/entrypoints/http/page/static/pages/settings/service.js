/* Settings of the whole service: time limit, retention, bounds of photos. */
import { Problem, request, me } from "../../lib/api.js";
import { number } from "../../lib/format.js";
import { html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { errorOf } from "../../lib/messages.js";
import { Field } from "../../parts/field.js";
import { Icon } from "../../parts/icon.js";
import { Pill, ErrorNotice } from "../../parts/states.js";
import { toast } from "../../parts/toasts.js";
import common from "../../i18n/common.js";
import words from "../../i18n/settings.js";

const t = translator(words);
const c = translator(common);

/** Bounds of each setting in the displayed unit; `factor` converts it to the API's unit, which is an integer then. */
const FIELDS = {
  sync_response_seconds: { low: 10, high: 60, unit: "seconds" },
  result_retention_hours: { low: 0.02, high: 87_600, unit: "hours" },
  max_active_jobs: { low: 1, high: 10_000, whole: true },
  max_upload_bytes: { low: 0.001, high: 1024, unit: "mib", factor: 1024 * 1024 },
  max_image_pixels: { low: 0.000_001, high: 1000, unit: "megapixels", factor: 1_000_000 },
};

const rounded = (value) => String(Math.round(value * 1000) / 1000);
const shown = (name, value) => rounded(value / (FIELDS[name].factor ?? 1));

/** The error of an input by the API's bounds, or null. */
function boundsError(name, text) {
  const { low, high, whole } = FIELDS[name];
  const value = Number(text);
  if (text.trim() !== "" && value >= low && value <= high && (!whole || Number.isInteger(value))) return null;
  return t(whole ? "wholeBetween" : "between", { low: number(low, { maximumFractionDigits: 6 }), high: number(high) });
}

/** `draft` has the inputs that differ from the stored settings; null restores the configured default. */
export function Service({ settings, again, draft, setDraft }) {
  const [problem, setProblem] = useState(null);
  const [checked, setChecked] = useState(false);
  const [busy, setBusy] = useState(false);
  const [theirs, setTheirs] = useState([]);
  const may = me.get().permissions.includes("settings:write");
  const names = Object.keys(FIELDS);
  const wrong = Object.fromEntries(names.filter((name) => typeof draft[name] === "string").map((name) => [name, boundsError(name, draft[name])]));

  const change = (name, value) => {
    const { [name]: before, ...others } = draft;
    setDraft(value === undefined || value === shown(name, settings[name]) ? others : { ...others, [name]: value });
    if (errorOf(problem, name)) setProblem(null);
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
      await request("PUT", "/api/settings", { json, headers: { "If-Match": settings.etag } });
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
      ${problem && problem.status !== 412 && !names.some((name) => errorOf(problem, name)) && html`<${ErrorNotice} problem=${problem} />`}
      ${problem?.status === 412 && html`
        <div class="notice" role="alert">
          <p>${t("changedMeanwhile")}</p>
          ${moved.length > 0 && html`<ul>${moved.map((name) => html`<li key=${name}>${t(name)}: ${t("nowIs", { value: shown(name, settings[name]) })}</li>`)}</ul>`}
        </div>
      `}
      <div class="card settings-fields">
        ${names.map((name) => html`<${Setting} key=${name} ...${{ name, settings, may }} text=${draft[name]} error=${errorOf(problem, name) ?? (checked ? wrong[name] : null)} onChange=${(value) => change(name, value)} />`)}
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
