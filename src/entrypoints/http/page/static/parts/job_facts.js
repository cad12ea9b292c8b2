/* Facts of a job: IDs, times, photo, metadata. */
import { bytes, cost, dateTimeExact, duration, money, timeExact } from "../lib/format.js";
import { html } from "../lib/html.js";
import { translator } from "../lib/language.js";
import { failureText } from "../lib/messages.js";
import { to } from "../lib/route.js";
import words from "../i18n/job.js";
import jobsWords from "../i18n/jobs.js";
import { CopyButton } from "./copy.js";
import { useProviderNames } from "./provider_names.js";
import { Reason } from "./reason.js";

const t = translator(words);
const jobs = translator(jobsWords);

const Fact = ({ name, children }) => (children === null || children === "" ? null : html`<dt>${name}</dt><dd>${children}</dd>`);

const moment = (value) => (value === null ? null : html`<time datetime=${value}>${dateTimeExact(value)}</time>`);

/** Codes whose text says all that the API's sentence says. */
const COMPLETE = new Set(["sync_timeout", "job_cancelled", "budget_exhausted"]);

/** The API's sentence on a failed job, with the cause of its last call where the sentence is of that; null without one. */
function failureDetail(job, cause) {
  const { error_code: code, error_detail: reason } = job;
  if (!reason || reason === cause || COMPLETE.has(code)) return null;
  return { cause: job.logs.findLast((entry) => entry.detail.reason === reason)?.detail.cause, reason };
}

export function Facts({ job, slotName }) {
  const names = useProviderNames();
  const failed = job.failure_reason && jobs.of("reason", job.failure_reason);
  const cause = job.error_code && failureText(job.error_code, job.error_detail);
  const said = failureDetail(job, cause);
  return html`
    <section class="card" aria-label=${t("facts")}>
      <h2>${t("facts")}</h2>
      <dl class="facts job-facts">
        <${Fact} name=${t("slot")}>${slotName ? html`<a href=${to("slots", job.slot_id)}>${slotName}</a>` : job.slot_id}<//>
        <${Fact} name=${t("source")}>${jobs.of("source", job.source)}<//>
        <${Fact} name=${t("problem")}>${(failed ?? cause) && html`${[failed, cause].filter(Boolean).join(": ")}${said !== null && html` <${Reason} attempt=${said} />`}`}<//>
        <${Fact} name=${t("madeBy")}>${job.provider_id && names.both(job.provider_id, job.operation_id)}<//>
        <${Fact} name=${t("model")}>${job.model}<//>
        <${Fact} name=${t("seed")}>${job.seed}<//>
        <${Fact} name=${t("cost")}>${job.cost.calls > 0 ? cost(job.cost, job.currency) : null}<//>
        <${Fact} name=${t("route")}>${job.route.map((entry) => names.both(entry.provider_id, entry.operation_id)).join(" → ")}<//>
        <${Fact} name=${t("attempt")}>${job.attempt > 1 ? job.attempt : null}<//>
        <${Fact} name=${t("created")}>${moment(job.created_at)}<//>
        <${Fact} name=${t("deadline")}>${moment(job.expires_at)}<//>
        <${Fact} name=${t("acquired")}>${moment(job.acquired_at)}<//>
        <${Fact} name=${t("finalized")}>${moment(job.finalized_at)}<//>
        <${Fact} name=${t("forgotten")}>${moment(job.erased_at ?? job.forgotten_at)}<//>
        <${Fact} name=${t("abandoned")}>${moment(job.abandoned_at)}<//>
        ${job.finalized_at !== null && html`
          <${Fact} name=${t("waited")}>${duration(job.wait_ms)}<//>
          <${Fact} name=${t("worked")}>${duration(job.processing_ms)}<//>
          <${Fact} name=${t("took")}>${duration(job.total_ms)}<//>`}
      </dl>
      <div class="job-id">
        <code>${job.job_id}</code>
        <${CopyButton} text=${job.job_id} label=${t("copyId")} />
      </div>
    </section>
  `;
}

/** The calls that might have cost something, each with its amount; nothing without such calls. */
export function Calls({ job }) {
  const names = useProviderNames();
  if (job.calls.length === 0) return null;
  const amount = (call) => (call.usd_micros === null ? t("noPrice") : `${call.exact ? "" : "≈ "}${money(call.usd_micros, job.currency)}`);
  return html`
    <section class="card" aria-label=${t("calls")}>
      <h2>${t("calls")}</h2>
      <div class="scroll" tabindex="0" role="group" aria-label=${t("calls")}>
        <table class="job-metadata job-calls">
          <thead><tr><th scope="col">${t("callAt")}</th><th scope="col">${t("callTo")}</th><th scope="col" class="figure">${t("cost")}</th><th scope="col">${t("charged")}</th></tr></thead>
          <tbody>
            ${job.calls.map((call) => html`
              <tr key=${`${call.at} ${call.entry} ${call.call}`}>
                <th scope="row"><time datetime=${call.at}>${timeExact(call.at)}</time></th>
                <td>${call.model === null ? names.both(call.provider_id, call.operation_id) : `${names.provider(call.provider_id)} · ${call.model}`}</td>
                <td class=${call.charged === "no" ? "figure soft" : "figure"}>${amount(call)}</td>
                <td>${t.of("charged", call.charged)}</td>
              </tr>`)}
          </tbody>
        </table>
      </div>
    </section>
  `;
}

export function PhotoFacts({ photo }) {
  return html`
    <section class="card" aria-label=${t("photo")}>
      <h2>${t("photo")}</h2>
      <dl class="facts job-facts">
        <${Fact} name=${t("kind")}>${photo.mime}<//>
        <${Fact} name=${t("size")}>${t("photoFacts", { width: photo.width, height: photo.height, size: bytes(photo.size_bytes) })}<//>
        <${Fact} name=${t("checksum")}><code>${photo.sha256}</code><//>
      </dl>
      <div class="job-id"><${CopyButton} text=${photo.sha256} label=${t("copyChecksum")} /></div>
    </section>
  `;
}

export function Metadata({ metadata }) {
  const fields = Object.entries(metadata);
  return html`
    <section class="card" aria-label=${t("metadata")}>
      <h2>${t("metadata")}</h2>
      ${fields.length === 0
        ? html`<p class="soft">${t("noMetadata")}</p>`
        : html`
          <table class="job-metadata">
            <thead><tr><th scope="col">${t("field")}</th><th scope="col">${t("value")}</th></tr></thead>
            <tbody>${fields.map(([name, value]) => html`<tr key=${name}><th scope="row">${name}</th><td>${value}</td></tr>`)}</tbody>
          </table>`}
    </section>
  `;
}
