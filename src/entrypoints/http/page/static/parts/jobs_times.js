/* A job with the time at which it was read; remaining time and elapsed time of a running job. */
import { duration } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { translator } from "../lib/language.js";
import { useInterval } from "../lib/load.js";
import words from "../i18n/jobs.js";

const t = translator(words);

/** The job with the time at which it was read, on the browser's monotonic clock. */
export const timed = (job) => ({ ...job, read_at: performance.now() });

export const isLive = (job) => job.state === "pending" || job.state === "processing";

/** Milliseconds since the job's times were read, updated while it is shown. */
export function useSince(job, every = 500) {
  const [now, setNow] = useState(performance.now());
  useInterval(every, () => setNow(performance.now()));
  return Math.max(now - job.read_at, 0);
}

/** Whole seconds, for values that change while they are shown. */
export const seconds = (ms) => duration(Math.max(Math.round(ms / 1000) * 1000, 0) || 0);

export function Window({ job }) {
  const since = useSince(job);
  const left = Math.max(job.remaining_ms - since, 0);
  const whole = new Date(job.expires_at) - new Date(job.created_at);
  const share = whole > 0 ? Math.min(left / whole, 1) : 0;
  return html`
    <span class=${share < 0.25 ? "window window-short" : "window"}>
      <span class="window-bar" aria-hidden="true"><span style=${{ width: `${share * 100}%` }}></span></span>
      <span class="window-text">${t("left", { time: seconds(left) })}</span>
    </span>
  `;
}
