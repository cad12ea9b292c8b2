/* Trying a slot with the current draft: choose a photo, change the prompt, see the picture, compare it with earlier ones. */
import { Problem, get, me, request, requestBlob } from "../../../lib/api.js";
import { html, useEffect, useRef, useState } from "../../../lib/html.js";
import { translator } from "../../../lib/language.js";
import { route, setQuery, to } from "../../../lib/route.js";
import { useStore } from "../../../lib/store.js";
import { problemText } from "../../../lib/messages.js";
import { Icon } from "../../../parts/icon.js";
import { toast } from "../../../parts/toasts.js";
import pictureWords from "../../../i18n/picture.js";
import words from "../../../i18n/slot.js";
import tryWords from "../../../i18n/try_it.js";
import { documentOf } from "../draft.js";
import { useDrop } from "../drop.js";
import { Outcome, Progress, Refused } from "./outcome.js";
import { Photos } from "./photos.js";
import { Prompts } from "./prompts.js";
import { RecipeButton } from "./recipes.js";
import { Runs } from "./runs.js";
import { changeFrom } from "./settings.js";

const t = translator(words);
const tr = translator(tryWords);
const picture = translator(pictureWords);

/** `change(part)` updates the draft, which is not saved by trying it. */
export function TryIt({ id, draft, isChanged, isShown, providers, change }) {
  const { run, runs, start, stop } = useRun(id, draft);
  const input = useRef(null);
  const source = useJobSettings(draft, change);
  const drop = useDrop(runs ? null : start);
  const pick = ({ path, name }) => start(async (signal) => {
    const photo = await requestBlob("GET", path, { signal });
    return new File([photo], name, { type: photo.type });
  });
  const use = (settings) => {
    change(changeFrom(settings, draft));
    toast(tr("used"));
  };
  return html`
    <section class="card stack">
      <div class="row row-apart">
        <div><h2>${t("try")}</h2><p class="soft">${t(isChanged ? "tryUnsaved" : "tryHelp")}</p></div>
        <${RecipeButton} draft=${draft} providers=${providers} change=${change} />
      </div>
      ${source && html`<p class="notice">${tr("settingsOfJob")} <a href=${to("jobs", source)}>${picture("toJob")}</a></p>`}
      <${Prompts} draft=${draft} providers=${providers} change=${change} />
      <div class=${drop.over ? "drop drop-over" : "drop"} ...${drop.events}>
        ${runs ? html`<${Progress} slotId=${id} began=${run.began} providers=${providers} onStop=${stop} />` : html`
          <p>${tr("choose")}</p>
          <${Photos} jobId=${source} busy=${runs} onPick=${pick} />
          <div class="row">
            <button type="button" class=${run?.file ? "button" : "button button-primary"} onClick=${() => input.current.click()}><${Icon} name="photo" /> ${t("choosePhoto")}</button>
            ${run?.file && html`<button type="button" class="button button-primary" onClick=${() => start(run.file)}><${Icon} name="refresh" /> ${t("tryAgainWith", { name: run.file.name })}</button>`}
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
    ${isShown && me.get().permissions.includes("jobs:read") && html`<${Runs} id=${id} draft=${draft} providers=${providers} onUse=${use} />`}
  `;
}

/**
 * One test run at a time: `{run, runs, start, stop}`. `start` takes a file, or a function of an AbortSignal that reads
 * one. `run` is null, or has the `file` with `began` while it runs, or else with a `job` or a `problem`.
 */
function useRun(id, draft) {
  const [run, setRun] = useState(null);
  const control = useRef(null);
  const photo = useRef(null);
  const start = async (chosen) => {
    control.current = new AbortController();
    const { signal } = control.current;
    const began = Date.now();
    let file = chosen instanceof File ? chosen : null;
    setRun({ file, began });
    try {
      if (file === null) {
        file = await chosen(signal);
        setRun({ file, began });
      }
      if (photo.current) URL.revokeObjectURL(photo.current);
      photo.current = URL.createObjectURL(file);
      const form = new FormData();
      form.append("slot", JSON.stringify(documentOf(draft)));
      form.append("fileToUpload", file);
      const { data } = await request("POST", `/api/slots/${id}/test-run`, { form, signal });
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
  return { run, runs: run !== null && run.began !== undefined, start, stop: () => control.current.abort() };
}

/** Puts the settings of the job that the address names into the draft, once; returns the job's id, or null. */
function useJobSettings(draft, change) {
  const { query } = useStore(route);
  const [source, setSource] = useState(null);
  useEffect(() => {
    if (!query.job) return undefined;
    const control = new AbortController();
    const use = async () => {
      try {
        const job = await get(`/api/jobs/${encodeURIComponent(query.job)}`, { signal: control.signal });
        change(changeFrom(job.settings, draft));
        setSource(job.job_id);
        setQuery({ job: null });
      } catch (error) {
        if (error.name === "AbortError") return;
        if (!(error instanceof Problem)) throw error;
        toast(problemText(error), "failed");
      }
    };
    use();
    return () => control.abort();
  }, [query.job]);
  return source;
}
