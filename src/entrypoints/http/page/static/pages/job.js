/* One job, live while it runs. */
import { get, me } from "../lib/api.js";
import { dateTimeExact, isToday, timeExact } from "../lib/format.js";
import { html } from "../lib/html.js";
import { translator } from "../lib/language.js";
import { useLive } from "../lib/live.js";
import { useLoad } from "../lib/load.js";
import { WIDE, useMedia } from "../lib/media.js";
import { to } from "../lib/route.js";
import { useTitle } from "../lib/title.js";
import { Calls, Facts, Metadata, PhotoFacts } from "../parts/job_facts.js";
import { JobPicture } from "../parts/job_picture.js";
import { Timeline } from "../parts/job_timeline.js";
import { CancelButton, mayCancel } from "../parts/jobs_cancel.js";
import { Window, isLive, timed } from "../parts/jobs_times.js";
import { Icon } from "../parts/icon.js";
import { Empty, JobPill, Loading, ErrorNotice } from "../parts/states.js";
import words from "../i18n/job.js";
import tryWords from "../i18n/try_it.js";

const t = translator(words);
const tryIt = translator(tryWords);

export default function JobPage({ id }) {
  const { data: job, problem, again } = useLoad(async (signal) => timed(await get(`/api/jobs/${encodeURIComponent(id)}`, { signal })), [id]);
  const name = useSlotName(job?.slot_id);
  useLive((kind, event) => {
    if (kind === "reset" || event.job_id === id) again();
  });
  useTitle(job && t("title", { time: momentOf(job) }), job && (name ?? job.slot_id));
  const back = html`<a class="job-back" href=${to("jobs")}><${Icon} name="left" size=${16} /> ${t("back")}</a>`;
  if (problem?.status === 404) return html`${back}<${Empty} icon="jobs">${t("gone")}<//>`;
  return html`
    ${back}
    ${problem && html`<${ErrorNotice} problem=${problem} again=${again} />`}
    ${job === null ? !problem && html`<${Loading} />` : html`<${Job} job=${job} slotName=${name} again=${again} />`}
  `;
}

const momentOf = ({ created_at: at }) => (isToday(at) ? timeExact(at) : dateTimeExact(at));

function Job({ job, slotName, again }) {
  const wide = useMedia(WIDE);
  return html`
    <div class="page-head">
      <div class="row"><h1>${t("title", { time: momentOf(job) })}</h1><${JobPill} state=${job.state} /></div>
      <${TryLink} job=${job} />
      ${isLive(job) && html`<div class="row job-head-live"><${Window} job=${job} />${mayCancel() && html`<${CancelButton} job=${job} onDone=${again} />`}</div>`}
    </div>
    <div class="job-columns">
      <div class="stack">
        <${JobPicture} key=${String(job.result === null)} job=${job} slotName=${slotName} again=${again} />
        ${wide && job.photo && html`<${Metadata} metadata=${job.metadata} />`}
      </div>
      <div class="stack">
        <${Timeline} job=${job} />
        <${Facts} job=${job} slotName=${slotName} />
        <${Calls} job=${job} />
        ${job.photo && html`<${PhotoFacts} photo=${job.photo} />`}
        ${!wide && job.photo && html`<${Metadata} metadata=${job.metadata} />`}
      </div>
    </div>
  `;
}

/** A link to the slot with the settings of the job in its form. */
function TryLink({ job }) {
  const may = ["slots:read", "slots:write"].every((permission) => me.get().permissions.includes(permission));
  return may && html`<a class="button" href=${`${to("slots", job.slot_id)}?tab=try&job=${job.job_id}`}><${Icon} name="refresh" /> ${tryIt("ofJob")}</a>`;
}

function useSlotName(slotId) {
  const may = me.get().permissions.includes("slots:read");
  const { data } = useLoad(async (signal) => (slotId && may ? (await get(`/api/slots/${slotId}`, { signal })).name : null), [slotId]);
  return data;
}
