/* Photos to try a slot with: those of the service, and the small copy of a job's photo. */
import { address } from "../../../lib/api.js";
import { html, useState } from "../../../lib/html.js";
import { translator } from "../../../lib/language.js";
import words from "../../../i18n/try_it.js";

const t = translator(words);

const SAMPLES = ["portrait", "cat", "coffee"];

const sampleOf = (name) => ({ path: `/api/sample-photos/${name}`, name: t.of("sample", name) });

/** `jobId` is a job whose photo can be tried as well, or null; `onPick({path, name})` receives the chosen photo. */
export function Photos({ jobId, busy, onPick }) {
  const ofJob = jobId && { path: `/api/jobs/${jobId}/photo`, name: t("photoOfJob") };
  return html`
    <ul class="try-photos" aria-label=${t("samples")}>
      ${ofJob && html`<${Photo} key=${jobId} ...${ofJob} busy=${busy} onPick=${onPick} />`}
      ${SAMPLES.map((name) => html`<${Photo} key=${name} ...${sampleOf(name)} busy=${busy} onPick=${onPick} />`)}
    </ul>
  `;
}

/** Nothing while there is no such photo: that of a job is not kept for ever. */
function Photo({ path, name, busy, onPick }) {
  const [gone, setGone] = useState(false);
  if (gone) return null;
  return html`
    <li>
      <button type="button" class="try-photo" disabled=${busy} aria-label=${t("tryWith", { name })} onClick=${() => onPick({ path, name })}>
        <img src=${address(path)} alt="" loading="lazy" onError=${() => setGone(true)} />
        <span>${name}</span>
      </button>
    </li>
  `;
}
