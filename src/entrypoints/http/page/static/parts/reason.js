/* Why a call made no picture: its cause in words, and the sentence of the log, which may have the service's own. */
import { html } from "../lib/html.js";
import { language, translator } from "../lib/language.js";
import causes from "../i18n/causes.js";

const t = translator(causes);

/** Causes that say all that their sentence says. */
const COMPLETE = new Set(["breaker", "concurrency", "per_minute", "per_day", "budget_unknown", "key_missing", "window_ended", "overtaken", "too_slow"]);

/** `attempt` has `cause` and `reason` of the processing log. The sentence is English, so readers of English need no more. */
export function Reason({ attempt: { cause, reason } }) {
  const english = language.get() === "en";
  const text = t.has(cause) && !(english && reason) ? t(cause) : null;
  const sentence = english || text === null || !COMPLETE.has(cause) ? reason : null;
  return html`${text} ${sentence && html`<span class="soft" lang="en">${sentence}</span>`}`;
}
