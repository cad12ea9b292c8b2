/* What is shown while something is loaded, when it failed, and the pills that tell a state. */
import { html } from "../lib/html.js";
import { say } from "../lib/language.js";
import words from "../i18n/common.js";
import { Icon } from "./icon.js";

const t = say(words);

export function Loading() {
  return html`<p class="loading" role="status"><span class="spinner" aria-hidden="true"></span>${t("loading")}</p>`;
}

/** What the API said went wrong, and a way to try once more. */
export function Trouble({ problem, again }) {
  const text = problem.code === "unreachable" ? t("unreachable") : problem.message;
  return html`
    <div class="trouble" role="alert">
      <${Icon} name="alert" />
      <p>${text}</p>
      ${again && html`<button type="button" class="button" onClick=${again}>${t("tryAgain")}</button>`}
    </div>
  `;
}

/** Where a list holds nothing yet. */
export function Empty({ icon = "photo", children }) {
  return html`<div class="empty"><${Icon} name=${icon} size=${32} /><p>${children}</p></div>`;
}

const SLOT_TONES = { active: "good", degraded: "warn", failing: "bad", off: "mute" };
const JOB_TONES = { pending: "mute", processing: "busy", succeeded: "good", timed_out: "bad", failed: "bad", cancelled: "warn" };

export function Pill({ tone, children }) {
  return html`<span class=${`pill pill-${tone}`}>${children}</span>`;
}

export const SlotPill = ({ state }) => html`<${Pill} tone=${SLOT_TONES[state]}>${t(`slot_${state}`)}<//>`;
export const JobPill = ({ state }) => html`<${Pill} tone=${JOB_TONES[state]}>${t(`state_${state}`)}<//>`;
