/* A test run while it goes on, and its outcome: the picture, the times, the calls. */
import { address, me } from "../../../lib/api.js";
import { bytes, cost, dateTimeExact, duration, isToday, timeExact } from "../../../lib/format.js";
import { html, useState } from "../../../lib/html.js";
import { translator } from "../../../lib/language.js";
import { useLive } from "../../../lib/live.js";
import { useInterval } from "../../../lib/load.js";
import { attemptText, failureText, fieldErrorText } from "../../../lib/messages.js";
import { setQuery, to } from "../../../lib/route.js";
import { Compare } from "../../../parts/compare.js";
import { Icon } from "../../../parts/icon.js";
import { namesOf } from "../../../parts/provider_names.js";
import { Reason } from "../../../parts/reason.js";
import { ErrorNotice, JobPill, Pill } from "../../../parts/states.js";
import words from "../../../i18n/slot.js";
import tryWords from "../../../i18n/try_it.js";

const t = translator(words);
const tr = translator(tryWords);

const titleOf = (providers, { provider, operation }) => namesOf(providers).both(provider, operation);

export function Progress({ slotId, began, providers, onStop }) {
  const [now, setNow] = useState(Date.now());
  const [status, setStatus] = useState(null);
  useInterval(100, () => setNow(Date.now()));
  useLive((kind, event) => {
    if (kind !== "job" || event.slot_id !== slotId || event.source !== "test") return;
    if (event.event === "received" || event.event === "acquired") setStatus(t.of("progress", event.event));
    if (event.event === "attempt" && event.detail.classification !== "picture") setStatus(t("progressFailed", { name: titleOf(providers, event.detail), reason: attemptText(event.detail.classification) }));
  });
  return html`
    <span class="spinner" aria-hidden="true"></span>
    <p role="status">${status ?? t("uploadingPhoto")}</p>
    <p class="try-time" aria-hidden="true">${duration(Math.max(now - began, 100))}</p>
    <button type="button" class="button" onClick=${onStop}>${t("stopWaiting")}</button>
  `;
}

export function Refused({ problem }) {
  if (problem.errors.length === 0) return html`<${ErrorNotice} problem=${problem} />`;
  return html`
    <div class="error-notice" role="alert">
      <${Icon} name="alert" />
      <div class="try-wrong"><p>${t("cannotTry")}</p><ul>${problem.errors.map((error) => html`<li key=${error.field}><code>${error.field}</code> ${fieldErrorText(error)}</li>`)}</ul></div>
      <button type="button" class="button" onClick=${() => setQuery({ tab: "configuration" })}>${t("toConfiguration")}</button>
    </div>
  `;
}

export function Outcome({ job, before, providers }) {
  const attempts = job.logs.filter(({ event }) => event === "attempt").map(({ detail }) => detail);
  const result = job.result;
  return html`
    <section class="card stack try-outcome" aria-label=${t("outcome")}>
      <div class="row row-apart">
        <h2>${t("outcome")}</h2>
        <span class="row"><${JobPill} state=${job.state} />${result?.outcome === "fallback" && html`<${Pill} tone="warn">${t("isFallback")}<//>`}</span>
      </div>
      <div class=${result ? "try-sides" : "stack"}>
        ${result ? html`<${Compare} before=${before} after=${address(`/public/results/${job.job_id}`)} width=${result.width} height=${result.height} />` : html`<${Failure} job=${job} />`}
        <div class="stack try-facts">
          <dl class="facts">
            <dt>${t("tookInAll")}</dt><dd>${duration(job.total_ms)} <span class="soft">${t("ofThatWaiting", { time: duration(job.wait_ms) })}</span></dd>
            <dt>${tr("cost")}</dt><dd>${costText(job.cost, job.currency)}</dd>
            ${result && html`<dt>${t("size")}</dt><dd>${result.width} × ${result.height}, ${bytes(result.size_bytes)}, ${result.mime}</dd>`}
            <dt>${t("job")}</dt><dd>${me.get().permissions.includes("jobs:read") ? html`<a href=${to("jobs", job.job_id)}>${job.job_id}</a>` : job.job_id}</dd>
          </dl>
          <h3>${t("attempts")}</h3>
          ${attempts.length === 0 ? html`<p class="soft">${t("noAttempts")}</p>` : html`<${AttemptList} attempts=${attempts} providers=${providers} />`}
        </div>
      </div>
    </section>
  `;
}

/** Why a run has no picture. */
export function Failure({ job }) {
  const text = failureText(job.error_code, job.error_detail);
  return html`<div class="error-notice"><${Icon} name="alert" /><div><p>${text}</p>${job.error_detail && job.error_detail !== text && html`<p class="soft" lang="en">${job.error_detail}</p>`}</div></div>`;
}

/** When a run began. */
export const momentOf = ({ created_at: at }) => (isToday(at) ? timeExact(at) : dateTimeExact(at));

/** What a run cost; without a call to a service it was free. */
export const costText = (sum, currency) => (sum.calls === 0 ? tr("free") : cost(sum, currency));

function AttemptList({ attempts, providers }) {
  const longest = Math.max(...attempts.map(({ duration_ms }) => duration_ms), 1);
  return html`
    <ol class="attempts">
      ${attempts.map((one, place) => html`
        <li key=${place}>
          <div class="row row-apart"><span><span class="soft">${t("step", { n: one.entry + 1 })}:</span> ${titleOf(providers, one)}</span><b>${duration(one.duration_ms)}</b></div>
          <span class="attempt-bar" aria-hidden="true" style=${{ width: `${Math.max((one.duration_ms / longest) * 100, 2)}%` }}></span>
          <div class="attempt-end"><${Pill} tone=${one.classification === "picture" ? "good" : "bad"}>${attemptText(one.classification)}<//>${one.classification !== "picture" && html`<${Reason} attempt=${one} />`}</div>
        </li>
      `)}
    </ol>
  `;
}
