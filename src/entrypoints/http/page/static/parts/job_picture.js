/* The picture of a job: preview, full view, comparison with the photo, download, expiry. */
import { address } from "../lib/api.js";
import { ago, bytes, dateTime } from "../lib/format.js";
import { html, useEffect, useState } from "../lib/html.js";
import { translator } from "../lib/language.js";
import { useInterval } from "../lib/load.js";
import commonWords from "../i18n/common.js";
import words from "../i18n/job.js";
import { Compare } from "./compare.js";
import { Dialog } from "./dialog.js";
import { Icon } from "./icon.js";
import { isLive } from "./jobs_times.js";
import { Lightbox } from "./picture/lightbox.js";
import { Empty } from "./states.js";

const t = translator(words);
const common = translator(commonWords);

/** `slotName` is null until it is known; `again()` reads the job again. */
export function JobPicture({ job, slotName, again }) {
  return html`
    <section class="card" aria-label=${t("picture")}>
      <h2>${t("picture")}</h2>
      ${job.erased_at !== null
        ? html`<${Empty} icon="photo">${t("erased", { time: dateTime(job.erased_at) })}<//>`
        : job.result === null
        ? html`<${Empty} icon=${isLive(job) ? "clock" : "photo"}>${isLive(job) ? t("notYet") : t("noPicture")}<//>`
        : html`<${Picture} job=${job} result=${job.result} slotName=${slotName} again=${again} />`}
    </section>
  `;
}

function Picture({ job, result, slotName, again }) {
  const [gone, setGone] = useState(false);
  const [full, setFull] = useState(false);
  const [comparing, setComparing] = useState(false);
  const photo = usePhoto(job.job_id);
  const [now, setNow] = useState(Date.now());
  useInterval(10_000, () => setNow(Date.now()));
  if (gone || new Date(result.expires_at) <= now) return html`<${Empty} icon="clock">${t("expired")}<//>`;
  const shown = { job_id: job.job_id, completed_at: job.finalized_at, link: result.url, expires_at: result.expires_at, mime: result.mime, slot_name: slotName, isTest: job.source === "test" };
  const onErased = () => {
    setFull(false);
    again();
  };
  const at = `/public/results/${job.job_id}`;
  return html`
    <div class="stack job-picture">
      <button type="button" class="job-picture-open" onClick=${() => setFull(true)} aria-label=${t("enlarge")}>
        <img src=${address(at)} alt=${t("pictureOf")} width=${result.width} height=${result.height} onError=${() => setGone(true)} />
        <span class="job-picture-sign" aria-hidden="true"><${Icon} name="full" /></span>
      </button>
      ${result.outcome === "fallback" && html`<p class="notice">${t("fallback")}</p>`}
      ${job.state === "timed_out" && result.outcome !== "fallback" && html`<p class="notice">${t("rescued")}</p>`}
      <div class="row row-apart">
        <p class="soft job-picture-facts">${t("photoFacts", { width: result.width, height: result.height, size: bytes(result.size_bytes) })}<br />${t("expires", { time: dateTime(result.expires_at), ago: ago(result.expires_at, now) })}</p>
        <div class="row">
          ${photo && html`<button type="button" class="button" onClick=${() => setComparing(true)}><${Icon} name="photo" /> ${t("compare")}</button>`}
          <a class="button" href=${address(at, { download: 1 })} download><${Icon} name="download" /> ${common("download")}</a>
        </div>
      </div>
    </div>
    ${comparing && html`
      <${Dialog} title=${t("compare")} wide onClose=${() => setComparing(false)}>
        <${Compare} before=${photo} after=${address(at)} width=${result.width} height=${result.height} />
      <//>`}
    ${full && html`<${Lightbox} pictures=${[shown]} place=${0} isOfJob onGo=${() => {}} onClose=${() => setFull(false)} onErased=${onErased} />`}
  `;
}

/** The URL of the photo's preview once it exists: it is made after the answer, and not for every job. */
function usePhoto(jobId) {
  const [photo, setPhoto] = useState(null);
  useEffect(() => {
    const found = new Image();
    found.onload = () => setPhoto(found.src);
    found.src = address(`/api/jobs/${encodeURIComponent(jobId)}/photo`);
    return () => (found.onload = null);
  }, [jobId]);
  return photo;
}
