/* Cancel a running job after a confirmation. */
import { Problem, request, me } from "../lib/api.js";
import { timeExact } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { translator } from "../lib/language.js";
import { problemText } from "../lib/messages.js";
import words from "../i18n/jobs.js";
import { Confirm } from "./dialog.js";
import { Icon } from "./icon.js";
import { toast } from "./toasts.js";

const t = translator(words);

export const mayCancel = () => me.get().permissions.includes("jobs:write");

/** `onDone` is called when the job has ended, cancelled or not. */
export function CancelButton({ job, onDone }) {
  const [confirming, setConfirming] = useState(false);
  const cancel = async () => {
    setConfirming(false);
    try {
      await request("POST", `/api/jobs/${job.job_id}/cancel`);
      toast(t("cancelled"));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast(error.status === 409 ? t("cancelTooLate") : problemText(error), "failed");
    }
    onDone();
  };
  return html`
    <button type="button" class="button job-cancel" aria-label=${t("cancelThis", { time: timeExact(job.created_at) })} onClick=${() => setConfirming(true)}><${Icon} name="close" /> ${t("cancelJob")}</button>
    ${confirming && html`<${Confirm} title=${t("cancelTitle")} text=${t("cancelText")} yes=${t("cancelYes")} no=${t("cancelNo")} dangerous onYes=${cancel} onNo=${() => setConfirming(false)} />`}
  `;
}
