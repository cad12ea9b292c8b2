/* Two test runs side by side: their pictures, their photos, or one picture over the other; and what differs. */
import { address } from "../../../lib/api.js";
import { duration } from "../../../lib/format.js";
import { html, useState } from "../../../lib/html.js";
import { translator } from "../../../lib/language.js";
import { Compare } from "../../../parts/compare.js";
import { Dialog } from "../../../parts/dialog.js";
import { Empty } from "../../../parts/states.js";
import words from "../../../i18n/try_it.js";
import { Differences } from "./differences.js";
import { Failure, costText, momentOf } from "./outcome.js";
import { differences } from "./settings.js";

const t = translator(words);
const NAMES = ["A", "B"];

/** `runs` are two, the older first. */
export function Comparison({ runs, currency, providers, onUse, onClose }) {
  const [view, setView] = useState("pictures");
  const [one, other] = runs;
  const views = ["pictures", "photos", ...(one.result && other.result ? ["over"] : [])];
  const changes = differences(one.settings, other.settings, providers);
  const picture = (run) => address(`/public/results/${run.job_id}`);
  return html`
    <${Dialog} title=${t("comparison")} wide onClose=${onClose}>
      <div class="stack">
        <div class="row" role="group" aria-label=${t("view")}>
          ${views.map((name) => html`<button key=${name} type="button" class="chip" aria-pressed=${view === name} onClick=${() => setView(name)}>${t.of("view", name)}</button>`)}
        </div>
        ${view === "over" && html`<${Compare} before=${picture(one)} after=${picture(other)} width=${other.result.width} height=${other.result.height} names=${{ before: NAMES[0], after: NAMES[1], slider: t("overSlider") }} />`}
        <div class="comparison">
          ${runs.map((run, place) => html`
            <figure key=${run.job_id}>
              ${view === "pictures" && html`<${Picture} key="picture" run=${run} path=${`/public/results/${run.job_id}`} alt=${t("pictureOf", { name: NAMES[place] })} />`}
              ${view === "photos" && html`<${Picture} key="photo" run=${run} path=${`/api/jobs/${run.job_id}/photo`} alt=${t("photoOf", { name: NAMES[place] })} />`}
              <figcaption>
                <span><b>${NAMES[place]}</b> ${momentOf(run)} <span class="soft">${duration(run.total_ms)} · ${costText(run.cost, currency)}</span></span>
                <button type="button" class="button" aria-label=${t("useOf", { time: NAMES[place] })} onClick=${() => onUse(run.settings)}>${t("use")}</button>
              </figcaption>
            </figure>
          `)}
        </div>
        <h3>${t("differences")}</h3>
        ${changes.length === 0 ? html`<p class="soft">${t("sameSettings")}</p>` : html`<${Differences} items=${changes} names=${NAMES} />`}
      </div>
    <//>
  `;
}

function Picture({ run, path, alt }) {
  const [gone, setGone] = useState(false);
  if (run.result === null) return html`<${Failure} job=${run} />`;
  if (gone) return html`<${Empty}>${t("notKept")}<//>`;
  return html`<img src=${address(path)} alt=${alt} onError=${() => setGone(true)} />`;
}
