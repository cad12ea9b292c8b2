/* Test run of a slot with the current draft: drop a photo, see the picture and the time it took. */
import { Problem, address, request, me } from "../../lib/api.js";
import { bytes, duration } from "../../lib/format.js";
import { html, useEffect, useRef, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { attemptText, failureText, fieldErrorText } from "../../lib/messages.js";
import { useLive } from "../../lib/live.js";
import { useInterval } from "../../lib/load.js";
import { setQuery, to } from "../../lib/route.js";
import { Compare } from "../../parts/compare.js";
import { Icon } from "../../parts/icon.js";
import { namesOf } from "../../parts/provider_names.js";
import { JobPill, Pill, ErrorNotice } from "../../parts/states.js";
import words from "../../i18n/slot.js";
import { documentOf } from "./draft.js";
import { useDrop } from "./drop.js";

const t = translator(words);

export function TryIt({ id, draft, isChanged, providers }) {
  const [run, setRun] = useState(null);
  const input = useRef(null);
  const control = useRef(null);
  const photo = useRef(null);
  const start = async (file) => {
    if (photo.current) URL.revokeObjectURL(photo.current);
    photo.current = URL.createObjectURL(file);
    control.current = new AbortController();
    setRun({ file, began: Date.now() });
    const form = new FormData();
    form.append("slot", JSON.stringify(documentOf(draft)));
    form.append("fileToUpload", file);
    try {
      const { data } = await request("POST", `/api/slots/${id}/test-run`, { form, signal: control.current.signal });
      setRun({ file, job: data, before: photo.current });
    } catch (error) {
      if (error.name === "AbortError") setRun(null);
      else if (error instanceof Problem) setRun({ file, problem: error });
      else throw error;
    }
  };
  useEffect(() => () => {
    control.current?.abort();
    if (photo.current) URL.revokeObjectURL(photo.current);
  }, []);
  const runs = run !== null && run.began !== undefined;
  const drop = useDrop(runs ? null : start);
  return html`
    <section class="card stack">
      <div><h2>${t("try")}</h2><p class="soft">${t(isChanged ? "tryUnsaved" : "tryHelp")}</p></div>
      <div class=${drop.over ? "drop drop-over" : "drop"} ...${drop.events}>
        ${runs ? html`<${Progress} slotId=${id} began=${run.began} providers=${providers} onStop=${() => control.current.abort()} />` : html`
          <${Icon} name="photo" size=${32} />
          <p>${t("dropPhoto")}</p>
          <div class="row">
            <button type="button" class="button button-primary" onClick=${() => input.current.click()}>${t("choosePhoto")}</button>
            ${run?.file && html`<button type="button" class="button" onClick=${() => start(run.file)}><${Icon} name="refresh" /> ${t("tryAgainWith", { name: run.file.name })}</button>`}
          </div>
        `}
        <input ref=${input} class="unseen" type="file" accept="image/*" tabindex="-1" aria-label=${t("choosePhoto")} onChange=${(event) => {
          const [file] = event.target.files;
          event.target.value = "";
          if (file) start(file);
        }} />
      </div>
      ${run?.problem && html`<${Refused} problem=${run.problem} />`}
    </section>
    ${run?.job && html`<${Outcome} job=${run.job} before=${run.before} providers=${providers} />`}
  `;
}

function Progress({ slotId, began, providers, onStop }) {
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

function Refused({ problem }) {
  if (problem.errors.length === 0) return html`<${ErrorNotice} problem=${problem} />`;
  return html`
    <div class="error-notice" role="alert">
      <${Icon} name="alert" />
      <div class="try-wrong"><p>${t("cannotTry")}</p><ul>${problem.errors.map((error) => html`<li key=${error.field}><code>${error.field}</code> ${fieldErrorText(error)}</li>`)}</ul></div>
      <button type="button" class="button" onClick=${() => setQuery({ tab: "configuration" })}>${t("toConfiguration")}</button>
    </div>
  `;
}

const titleOf = (providers, { provider, operation }) => namesOf(providers).both(provider, operation);

function Outcome({ job, before, providers }) {
  const attempts = job.logs.filter(({ event }) => event === "attempt").map(({ detail }) => detail);
  const result = job.result;
  return html`
    <section class="card stack try-outcome" aria-label=${t("outcome")}>
      <div class="row row-apart">
        <h2>${t("outcome")}</h2>
        <span class="row"><${JobPill} state=${job.state} />${result?.outcome === "fallback" && html`<${Pill} tone="warn">${t("isFallback")}<//>`}</span>
      </div>
      <div class=${result ? "try-sides" : "stack"}>
        ${result ? html`<${Compare} before=${before} after=${address(`/public/results/${job.job_id}`)} width=${result.width} height=${result.height} />` : html`<div class="error-notice"><${Icon} name="alert" /><div><p>${failureText(job.error_code, job.error_detail)}</p>${job.error_detail && html`<p class="soft" lang="en">${job.error_detail}</p>`}</div></div>`}
        <div class="stack try-facts">
          <dl class="facts">
            <dt>${t("tookInAll")}</dt><dd>${duration(job.total_ms)} <span class="soft">${t("ofThatWaiting", { time: duration(job.wait_ms) })}</span></dd>
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

function AttemptList({ attempts, providers }) {
  const longest = Math.max(...attempts.map(({ duration_ms }) => duration_ms), 1);
  return html`
    <ol class="attempts">
      ${attempts.map((one, place) => html`
        <li key=${place}>
          <div class="row row-apart"><span><span class="soft">${t("step", { n: one.entry + 1 })}:</span> ${titleOf(providers, one)}</span><b>${duration(one.duration_ms)}</b></div>
          <span class="attempt-bar" aria-hidden="true" style=${{ width: `${Math.max((one.duration_ms / longest) * 100, 2)}%` }}></span>
          <div class="attempt-end"><${Pill} tone=${one.classification === "picture" ? "good" : "bad"}>${attemptText(one.classification)}<//>${one.classification !== "picture" && html`<span class="soft" lang="en">${one.reason}</span>`}</div>
        </li>
      `)}
    </ol>
  `;
}
