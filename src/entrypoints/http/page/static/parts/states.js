/* Loading indicator, error notice, empty list, and state pills. */
import { html } from "../lib/html.js";
import { translator } from "../lib/language.js";
import { fieldErrorText, problemText } from "../lib/messages.js";
import words from "../i18n/common.js";
import { Icon } from "./icon.js";

const t = translator(words);

export function Loading() {
  return html`<p class="loading" role="status"><span class="spinner" aria-hidden="true"></span>${t("loading")}</p>`;
}

/** A problem as text, with its field errors and a button to retry. */
export function ErrorNotice({ problem, again }) {
  return html`
    <div class="error-notice" role="alert">
      <${Icon} name="alert" />
      <div><p>${problemText(problem)}</p>${problem.errors.length > 0 && html`<ul>${problem.errors.map((error) => html`<li key=${error.field}><code>${error.field}</code> ${fieldErrorText(error)}</li>`)}</ul>`}</div>
      ${again && html`<button type="button" class="button" onClick=${again}>${t("tryAgain")}</button>`}
    </div>
  `;
}

/** Placeholder of an empty list. */
export function Empty({ icon = "photo", children }) {
  return html`<div class="empty"><${Icon} name=${icon} size=${32} /><p>${children}</p></div>`;
}

const SLOT_TONES = { active: "good", degraded: "warn", failing: "bad", off: "mute" };
const JOB_TONES = { pending: "mute", processing: "busy", succeeded: "good", timed_out: "bad", failed: "bad", cancelled: "warn" };

export function Pill({ tone, children }) {
  return html`<span class=${`pill pill-${tone}`}>${children}</span>`;
}

export const SlotPill = ({ state }) => html`<${Pill} tone=${SLOT_TONES[state] ?? "mute"}>${t.of("slot", state)}<//>`;
export const JobPill = ({ state }) => html`<${Pill} tone=${JOB_TONES[state] ?? "mute"}>${t.of("state", state)}<//>`;
