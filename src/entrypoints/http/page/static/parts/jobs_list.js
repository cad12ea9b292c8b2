/* The list of jobs: a table on wide screens, cards on a phone; of a long one, what is near the window. */
import { address } from "../lib/api.js";
import { bytes, dateTimeExact, day, duration, isToday, timeExact } from "../lib/format.js";
import { html, useMemo, useState } from "../lib/html.js";
import { language, translator } from "../lib/language.js";
import { memo } from "../lib/memo.js";
import { to } from "../lib/route.js";
import words from "../i18n/jobs.js";
import { CancelButton, mayCancel } from "./jobs_cancel.js";
import { Window, isLive } from "./jobs_times.js";
import { Icon } from "./icon.js";
import { useLines } from "./long_list/lines.js";
import { useProviderNames } from "./provider_names.js";
import { JobPill } from "./states.js";

const t = translator(words);

/** The picture's thumbnail, or an empty box of the same size. */
export function Thumbnail({ job }) {
  const [broken, setBroken] = useState(false);
  const there = job.result !== null && new Date(job.result.expires_at) > Date.now() && !broken;
  return html`
    <span class="job-thumbnail">
      ${there ? html`<img src=${address(`/public/results/${job.job_id}/thumbnail`)} alt="" loading="lazy" onError=${() => setBroken(true)} />` : html`<${Icon} name=${isLive(job) ? "clock" : "photo"} />`}
    </span>
  `;
}

/** Reasons that the state of the job says already. */
const SAID_BY_STATE = new Set(["cancelled", "timeout"]);

/** Why the route made no picture, or that the failure answer was sent. */
function Reason({ job }) {
  const texts = [];
  if (job.failure_reason && !SAID_BY_STATE.has(job.failure_reason)) texts.push(t.of("reason", job.failure_reason));
  if (job.result?.outcome === "fallback") texts.push(t("fallback"));
  return texts.length ? html`<span class="job-reason">${texts.join(" · ")}</span>` : null;
}

function When({ job }) {
  return html`
    <a class="job-link" href=${to("jobs", job.job_id)}><time datetime=${job.created_at} title=${dateTimeExact(job.created_at)}>${timeExact(job.created_at)}</time></a>
    <span class="job-under">${[!isToday(job.created_at) && day(job.created_at), job.source !== "ingest" && t.of("source", job.source)].filter(Boolean).join(" · ")}</span>
  `;
}

const slotName = (slots, id) => slots.find((slot) => slot.id === id)?.name ?? id;

function MadeBy({ job }) {
  const names = useProviderNames();
  return job.provider_id ? html`${names.provider(job.provider_id)}<span class="job-under">${names.operation(job.provider_id, job.operation_id)}</span>` : html`<span class="soft">–</span>`;
}

const Figure = ({ ms }) => html`<td class="figure">${duration(ms)}</td>`;

/** What the rows of both forms get: `children(index)` is a row, `gap(height)` stands for those that are not in the document. */
function useRows(feed, usual, { row, gap }) {
  const { items, place } = feed;
  const lines = useMemo(() => items.map((job) => ({ key: job.job_id, kind: "job" })), [items]);
  const { box, parts, height } = useLines(lines, usual, place);
  const rows = parts.map(({ from, to: end, isShown }) => (isShown ? items.slice(from, end).map((job, n) => row(job, from + n)) : gap(height(from, end), `gap ${from}`)));
  return { box, rows };
}

/** What is the same for all rows, and changes what they show. */
const useShared = (feed, slots) => ({ slots, onChanged: feed.again, version: `${language.get()} ${new Date().toDateString()}` });

export function JobsTable({ feed, slots }) {
  const shared = useShared(feed, slots);
  const { items, next, arrived } = feed;
  const { box, rows } = useRows(feed, { job: 69 }, {
    row: (job, index) => html`<${TableRow} key=${job.job_id} job=${job} index=${index} isNew=${arrived.has(job.job_id)} ...${shared} />`,
    gap: (height, key) => html`<tr key=${key} class="gap" aria-hidden="true"><td colspan="8" style=${{ height: `${height}px` }}></td></tr>`,
  });
  return html`
    <div class="card jobs-card">
      <table class="jobs-table" aria-rowcount=${next === null ? items.length + 1 : -1}>
        <caption class="unseen">${t("list")}</caption>
        <thead>
          <tr aria-rowindex="1">
            <th scope="col"><span class="unseen">${t("picture")}</span></th>
            <th scope="col">${t("received")}</th>
            <th scope="col">${t("slot")}</th>
            <th scope="col">${t("state")}</th>
            <th scope="col">${t("madeBy")}</th>
            <th scope="col" class="figure">${t("waited")}</th>
            <th scope="col" class="figure">${t("worked")}</th>
            <th scope="col" class="figure">${t("took")}</th>
          </tr>
        </thead>
        <tbody ref=${box}>${rows}</tbody>
      </table>
    </div>
  `;
}

const TableRow = memo(({ job, index, isNew, slots, onChanged }) => html`
  <tr class=${isNew ? "job-row job-arrives" : "job-row"} aria-rowindex=${index + 2} data-line=${job.job_id} data-item=${job.job_id} data-kind="job">
    <td><${Thumbnail} key=${String(job.result === null)} job=${job} /></td>
    <td><${When} job=${job} /></td>
    <td>${slotName(slots, job.slot_id)}<span class="job-under">${job.slot_id}</span></td>
    <td><${JobPill} state=${job.state} /><${Reason} job=${job} /></td>
    ${isLive(job)
      ? html`<td colspan="4"><div class="job-live"><${Window} job=${job} />${mayCancel() && html`<${CancelButton} job=${job} onDone=${onChanged} />`}</div></td>`
      : html`<td><${MadeBy} job=${job} /></td><${Figure} ms=${job.wait_ms} /><${Figure} ms=${job.processing_ms} /><${Figure} ms=${job.total_ms} />`}
  </tr>
`);

export function JobCards({ feed, slots }) {
  const shared = useShared(feed, slots);
  const { items, next, arrived } = feed;
  const count = next === null ? items.length : -1;
  const { box, rows } = useRows(feed, { job: 110 }, {
    row: (job, index) => html`<${CardRow} key=${job.job_id} job=${job} index=${index} count=${count} isNew=${arrived.has(job.job_id)} ...${shared} />`,
    gap: (height, key) => html`<li key=${key} aria-hidden="true" style=${{ height: `${height}px` }}></li>`,
  });
  return html`<ul class="job-cards" aria-label=${t("list")} ref=${box}>${rows}</ul>`;
}

const CardRow = memo(({ job, index, count, isNew, slots, onChanged }) => {
  const names = useProviderNames();
  return html`
    <li class=${isNew ? "card job-card job-arrives" : "card job-card"} aria-setsize=${count} aria-posinset=${index + 1} data-line=${job.job_id} data-item=${job.job_id} data-kind="job">
      <${Thumbnail} key=${String(job.result === null)} job=${job} />
      <div class="job-card-text">
        <p class="job-card-head"><span class="job-card-slot">${slotName(slots, job.slot_id)}</span><${JobPill} state=${job.state} /></p>
        <p class="job-card-when"><${When} job=${job} /></p>
        ${isLive(job)
          ? html`<div class="job-live"><${Window} job=${job} />${mayCancel() && html`<${CancelButton} job=${job} onDone=${onChanged} />`}</div>`
          : html`<p class="soft job-card-facts">${[job.provider_id && names.provider(job.provider_id), duration(job.total_ms), job.result && bytes(job.result.size_bytes)].filter(Boolean).join(" · ")}</p>`}
        <${Reason} job=${job} />
      </div>
    </li>
  `;
});
