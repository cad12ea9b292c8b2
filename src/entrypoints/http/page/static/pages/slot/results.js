/* The newest pictures of a slot, live; each with a full view, download, QR code and expiry. */
import { address } from "../../lib/api.js";
import { ago, bytes, time } from "../../lib/format.js";
import { html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { to } from "../../lib/route.js";
import { Lightbox } from "../../parts/picture/lightbox.js";
import { Empty } from "../../parts/states.js";
import words from "../../i18n/slot.js";

const t = translator(words);

/** `again()` reads the slot again: it has the list. */
export function Results({ slot, again }) {
  const [open, setOpen] = useState(null);
  const results = slot.recent_results;
  const place = results.findIndex(({ job_id }) => job_id === open?.job_id);
  // The open picture stays even if newer ones push it off the list.
  const shown = place < 0 && open ? [open] : results;
  const onErased = () => {
    setOpen(results[place + 1] ?? results[place - 1] ?? null);
    again();
  };
  return html`
    <section class="stack" aria-label=${t("results")}>
      ${results.length === 0 ? html`<${Empty}>${t("noResults")}<//>` : html`
        <ul class="results">
          ${results.map((result) => html`
            <li key=${result.job_id}>
              <button type="button" class="result" onClick=${() => setOpen(result)}>
                <img src=${address(`/public/results/${result.job_id}/thumbnail`)} alt="" loading="lazy" />
                <span><b>${time(result.completed_at)}</b> <small class="soft">${bytes(result.size_bytes)}</small></span>
                <span class="unseen">${t("look")}</span>
              </button>
            </li>
          `)}
        </ul>
        <p class="soft">${t("newestTen", { when: ago(results[0].completed_at) })} <a href=${`${to("pictures")}?slot=${slot.id}`}>${t("allPictures")}</a> · <a href=${`${to("jobs")}?slot=${slot.id}`}>${t("allJobs")}</a></p>
      `}
      ${open && html`<${Lightbox} pictures=${shown.map(pictureOf)} place=${Math.max(place, 0)} onGo=${(next) => setOpen(shown[next])} onClose=${() => setOpen(null)} onErased=${onErased} />`}
    </section>
  `;
}

const pictureOf = (result) => ({
  job_id: result.job_id,
  completed_at: result.completed_at,
  link: result.download_url,
  expires_at: result.result_expires_at,
  mime: result.mime,
});
