/* The list of jobs, live, with filters in the URL. */
import { html } from "../lib/html.js";
import { translator } from "../lib/language.js";
import { WIDE, useMedia } from "../lib/media.js";
import { route } from "../lib/route.js";
import { useStore } from "../lib/store.js";
import { ClearFilters, Filters, filtersFromQuery, hasFilters } from "../parts/jobs_filters.js";
import { PAGE, useJobs } from "../parts/jobs_feed.js";
import { JobCards, JobsTable } from "../parts/jobs_list.js";
import { Icon } from "../parts/icon.js";
import { useSlots } from "../parts/slot_names.js";
import { Empty, Loading, ErrorNotice } from "../parts/states.js";
import commonWords from "../i18n/common.js";
import words from "../i18n/jobs.js";

const t = translator(words);
const common = translator(commonWords);

export default function Jobs() {
  const { query } = useStore(route);
  const wide = useMedia(WIDE);
  const slots = useSlots();
  const { jobs, next, problem, busy, arrived, waiting, more, again, showWaiting } = useJobs(filtersFromQuery(query));
  const List = wide ? JobsTable : JobCards;
  return html`
    <div class="page-head">
      <h1>${t("title")}</h1>
      <div class="row">
        ${jobs !== null && html`<p class="soft">${t("shown", { n: jobs.length })}</p>`}
        <${ClearFilters} query=${query} />
      </div>
    </div>
    <${Filters} query=${query} slots=${slots} problem=${problem} wide=${wide} />
    ${problem && html`<${ErrorNotice} problem=${problem} again=${again} />`}
    <${NewJobsButton} waiting=${waiting} jobs=${jobs} onShow=${showWaiting} />
    ${jobs === null
      ? !problem && html`<${Loading} />`
      : jobs.length === 0
        ? html`<${Empty} icon="jobs">${hasFilters(query) ? t("emptyFiltered") : t("empty")}<//>`
        : html`<${List} jobs=${jobs} slots=${slots} arrived=${arrived} onChanged=${again} />`}
    ${next && html`<p class="jobs-more"><button type="button" class="button" disabled=${busy} onClick=${more}>${common("more")}</button></p>`}
  `;
}

function NewJobsButton({ waiting, jobs, onShow }) {
  if (waiting === null || jobs === null) return null;
  const known = new Set(jobs.map((job) => job.job_id));
  const n = waiting.items.filter((job) => !known.has(job.job_id)).length;
  const many = n === PAGE && waiting.next !== null;
  return html`<p class="jobs-fresh"><button type="button" class="button button-primary" onClick=${onShow}><${Icon} name="up" /> ${many ? t("freshMany", { n }) : t("fresh", { n })}</button></p>`;
}
