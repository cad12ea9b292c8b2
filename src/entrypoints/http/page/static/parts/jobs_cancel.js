/* Ending a job that is under way, after a question. */
import { Problem, ask, me } from "../lib/api.js";
import { timeExact } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { say } from "../lib/language.js";
import words from "../i18n/jobs.js";
import { Confirm } from "./dialog.js";
import { Icon } from "./icon.js";
import { toast } from "./toasts.js";

const t = say(words);

export const mayCancel = () => me.get().permissions.includes("jobs:write");

/** `onDone` is called once the job has ended, by this or before it. */
export function CancelButton({ job, onDone }) {
  const [asks, setAsks] = useState(false);
  const cancel = async () => {
    setAsks(false);
    try {
      await ask("POST", `/api/jobs/${job.job_id}/cancel`);
      toast(t("cancelled"));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast(error.status === 409 ? t("cancelTooLate") : error.message, "failed");
    }
    onDone();
  };
  return html`
    <button type="button" class="button job-cancel" aria-label=${t("cancelThis", { time: timeExact(job.created_at) })} onClick=${() => setAsks(true)}><${Icon} name="close" /> ${t("cancelJob")}</button>
    ${asks && html`<${Confirm} title=${t("cancelTitle")} text=${t("cancelText")} yes=${t("cancelYes")} no=${t("cancelNo")} dangerous onYes=${cancel} onNo=${() => setAsks(false)} />`}
  `;
}
