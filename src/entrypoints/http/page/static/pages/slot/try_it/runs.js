/* The last test runs of a slot: what each changed, how long it took, what it cost; two of them side by side. */
import { address, get } from "../../../lib/api.js";
import { duration } from "../../../lib/format.js";
import { html, useState } from "../../../lib/html.js";
import { translator } from "../../../lib/language.js";
import { useLiveReload } from "../../../lib/live_reload.js";
import { useLoad } from "../../../lib/load.js";
import { failureText } from "../../../lib/messages.js";
import { to } from "../../../lib/route.js";
import { Icon } from "../../../parts/icon.js";
import { namesOf } from "../../../parts/provider_names.js";
import { ErrorNotice, JobPill, Loading, Pill } from "../../../parts/states.js";
import pictureWords from "../../../i18n/picture.js";
import slotWords from "../../../i18n/slot.js";
import words from "../../../i18n/try_it.js";
import { Comparison } from "./comparison.js";
import { Differences } from "./differences.js";
import { costText, momentOf } from "./outcome.js";
import { differences, settingsOf } from "./settings.js";

const t = translator(words);
const picture = translator(pictureWords);
const slot = translator(slotWords);

/** `onUse(settings)` receives the settings of a run that are to be used. */
export function Runs({ id, draft, providers, onUse }) {
  const { data, problem, again } = useLoad((signal) => get(`/api/slots/${id}/test-runs`, { signal }), [id]);
  const [picked, setPicked] = useState([]);
  const [comparing, setComparing] = useState(false);
  useLiveReload((event) => event.slot_id === id && event.source === "test" && event.event === "finalized", again);
  if (data === null) return problem ? html`<${ErrorNotice} problem=${problem} again=${again} />` : html`<${Loading} />`;
  const runs = data.items;
  const chosen = runs.filter(({ job_id }) => picked.includes(job_id));
  const now = settingsOf(draft);
  const pick = (jobId) => setPicked(picked.includes(jobId) ? picked.filter((one) => one !== jobId) : [...picked.slice(-1), jobId]);
  return html`
    <section class="card stack try-runs" aria-label=${t("runs")}>
      <div class="row row-apart">
        <div><h2>${t("runs")}</h2><p class="soft">${t(runs.length === 0 ? "noRuns" : "runsHelp")}</p></div>
        ${runs.length > 1 && html`<button type="button" class="button" disabled=${chosen.length !== 2} onClick=${() => setComparing(true)}><${Icon} name="pictures" /> ${t("compareChosen")}</button>`}
      </div>
      ${problem && html`<${ErrorNotice} problem=${problem} again=${again} />`}
      <ol class="runs">
        ${runs.map((run) => html`<${Run} key=${run.job_id} run=${run} changes=${differences(run.settings, now, providers)} currency=${data.currency} providers=${providers} isPicked=${picked.includes(run.job_id)} mayPick=${runs.length > 1} onPick=${() => pick(run.job_id)} onUse=${() => onUse(run.settings)} />`)}
      </ol>
      ${comparing && chosen.length === 2 && html`<${Comparison} runs=${chosen.toReversed()} currency=${data.currency} providers=${providers} onUse=${(settings) => {
        setComparing(false);
        onUse(settings);
      }} onClose=${() => setComparing(false)} />`}
    </section>
  `;
}

function Run({ run, changes, currency, providers, isPicked, mayPick, onPick, onUse }) {
  const when = momentOf(run);
  return html`
    <li class=${isPicked ? "run run-picked" : "run"}>
      <${Thumbnail} run=${run} />
      <div class="run-text">
        <div class="row"><b>${when}</b><${JobPill} state=${run.state} />${run.result?.outcome === "fallback" && html`<${Pill} tone="warn">${slot("isFallback")}<//>`}</div>
        <p class="soft">${[duration(run.total_ms), costText(run.cost, currency), run.provider_id && namesOf(providers).both(run.provider_id, run.operation_id)].filter(Boolean).join(" · ")}</p>
        ${run.error_code && html`<p class="error">${failureText(run.error_code, run.error_detail)}</p>`}
        ${run.settings.skipped_steps > 0 && html`<p class="soft">${t("skipped", { n: run.settings.skipped_steps })}</p>`}
        ${changes.length === 0 ? html`<p class="soft">${t("sameAsNow")}</p>` : html`<p class="soft">${t("thenAndNow")}</p><${Differences} items=${changes} names=${[t("then"), t("now")]} />`}
      </div>
      <div class="row run-tools">
        ${mayPick && html`<label class="check"><input type="checkbox" checked=${isPicked} aria-label=${t("pick", { time: when })} onChange=${onPick} /> ${t("compare")}</label>`}
        <button type="button" class="button" disabled=${changes.length === 0} aria-label=${t("useOf", { time: when })} onClick=${onUse}>${t("use")}</button>
        <a href=${to("jobs", run.job_id)}>${picture("toJob")}</a>
      </div>
    </li>
  `;
}

function Thumbnail({ run }) {
  const [gone, setGone] = useState(false);
  if (run.result === null || gone) return html`<span class="run-picture run-empty"><${Icon} name=${run.finalized_at === null ? "clock" : "photo"} size=${28} /></span>`;
  return html`<img class="run-picture" src=${address(`/public/results/${run.job_id}/thumbnail`)} alt="" loading="lazy" onError=${() => setGone(true)} />`;
}
