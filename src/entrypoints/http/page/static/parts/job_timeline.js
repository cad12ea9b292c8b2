/* The log of a job as a timeline, with calls and waits as bars on the scale of its window. */
import { dateTimeExact, duration } from "../lib/format.js";
import { html } from "../lib/html.js";
import { translator } from "../lib/language.js";
import { attemptText } from "../lib/messages.js";
import commonWords from "../i18n/common.js";
import words from "../i18n/job.js";
import { isLive, seconds, useSince } from "./jobs_times.js";
import { useProviderNames } from "./provider_names.js";
import { Reason } from "./reason.js";
import { Pill } from "./states.js";

const t = translator(words);
const common = translator(commonWords);

const TONES = { picture: "good", retryable: "warn", down: "bad", timeout: "bad", rejected: "bad", quota: "warn", blocked: "warn", cancelled: "mute" };
const STATE_TONES = { succeeded: "good", timed_out: "bad", failed: "bad", cancelled: "warn" };

const ms = (moment) => new Date(moment).getTime();

/** The lines of the timeline: `{key, at, tone, text, under, pill, bar}`, in order of their start. Times are milliseconds since the job was created. */
export function lines(job, since, names) {
  const begin = ms(job.created_at);
  const found = job.logs.map((entry, index) => ({ key: index, ...(entry.event === "attempt" ? attempt(entry, begin, names) : event(entry, begin)) }));
  const deadline = ms(job.expires_at) - begin;
  const last = Math.max(...found.map((line) => line.bar?.to ?? line.at), 0);
  if (last > deadline) found.push({ key: "deadline", at: deadline, tone: "mute", text: t("event_deadline") });
  found.sort((a, b) => a.at - b.at);
  if (isLive(job)) found.push(now(job, since));
  return found;
}

function event(entry, begin) {
  const at = Math.max(ms(entry.at) - begin, 0);
  const { detail } = entry;
  if (entry.event === "finalized") {
    return { at, tone: STATE_TONES[detail.state] ?? "plain", text: t("event_finalized", { state: common.of("state", detail.state) }) };
  }
  const under = [detail.attempt > 1 && entry.event === "acquired" && t("again", { n: detail.attempt }), detail.worker, detail.reference];
  return { at, tone: entry.event === "rescued" ? "good" : "plain", text: t.of("event", entry.event), under: under.filter(Boolean).join(" · ") };
}

function attempt(entry, begin, names) {
  const { detail } = entry;
  const from = Math.max((detail.started_at ? ms(detail.started_at) : ms(entry.at) - (detail.duration_ms ?? 0)) - begin, 0);
  const to = from + (detail.duration_ms ?? 0);
  const { classification } = detail;
  const tone = TONES[classification] ?? "bad";
  return {
    at: from,
    tone,
    text: t("call", { n: detail.call ?? "", provider: detail.provider ? names.provider(detail.provider) : "?" }),
    under: [detail.operation && names.operation(detail.provider, detail.operation), detail.entry > 0 && t("entry", { n: detail.entry + 1 }), duration(detail.duration_ms)].filter(Boolean).join(" · "),
    pill: classification && { tone, text: attemptText(classification) },
    // The reason of a picture is only its type.
    failed: classification === "picture" ? null : detail,
    bar: { from, to },
  };
}

function now(job, since) {
  const to = job.total_ms + since;
  const from = job.acquired_at ? ms(job.acquired_at) - ms(job.created_at) : 0;
  return { key: "now", at: to, tone: "busy", text: t("event_now", { time: seconds(to) }), bar: { from, to } };
}

export function Timeline({ job }) {
  const since = useSince(job, isLive(job) ? 500 : 60_000);
  const shown = lines(job, since, useProviderNames());
  const window = ms(job.expires_at) - ms(job.created_at);
  const scale = Math.max(window, ...shown.map((line) => line.bar?.to ?? line.at), 1);
  const share = (value) => `${Math.min(Math.max(value / scale, 0), 1) * 100}%`;
  return html`
    <section class="card" aria-label=${t("timeline")}>
      <h2>${t("timeline")}</h2>
      <ol class="timeline">
        ${shown.map((line) => html`
          <li key=${line.key} class=${`timeline-line timeline-${line.tone}${line.bar ? "" : " timeline-moment"}`}>
            <time class="timeline-at" title=${dateTimeExact(new Date(ms(job.created_at) + line.at))}>+${duration(line.at)}</time>
            <span class="timeline-dot" aria-hidden="true"></span>
            <div class="timeline-text">
              <p class="row"><strong>${line.text}</strong>${line.pill && html`<${Pill} tone=${line.pill.tone}>${line.pill.text}<//>`}</p>
              ${line.failed && html`<p class="timeline-reason"><${Reason} attempt=${line.failed} /></p>`}
              ${line.under && html`<p class="soft timeline-under">${line.under}</p>`}
            </div>
            <div class="timeline-track" aria-hidden="true">
              ${line.bar
                ? html`<span class="timeline-bar" style=${{ left: share(line.bar.from), width: share(line.bar.to - line.bar.from) }}></span>`
                : html`<span class="timeline-mark" style=${{ left: share(line.at) }}></span>`}
              <span class="timeline-deadline" style=${{ left: share(window) }}></span>
            </div>
          </li>`)}
      </ol>
      <p class="soft timeline-scale">${t("timelineScale", { time: seconds(window) })}</p>
    </section>
  `;
}
