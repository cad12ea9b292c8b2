/* A finished picture in full size; the arrow keys show the others of the list. */
import { address } from "../../lib/api.js";
import { dateTimeExact } from "../../lib/format.js";
import { html, useEffect, useRef, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { useInterval } from "../../lib/load.js";
import { to } from "../../lib/route.js";
import { CopyButton } from "../../parts/copy.js";
import { Dialog } from "../../parts/dialog.js";
import { Icon } from "../../parts/icon.js";
import { QrCode } from "../../parts/qr.js";
import common from "../../i18n/common.js";
import words from "../../i18n/slot.js";

const t = translator(words);
const c = translator(common);

/** `actions` are further buttons for the picture that is shown. */
export function Lightbox({ results, place, onGo, onClose, actions }) {
  const result = results[place];
  const step = (by) => {
    const next = place + by;
    if (next >= 0 && next < results.length) onGo(next);
  };
  // A key may come between a rendering and its effects: the listener always takes the newest step.
  const current = useRef(step);
  current.current = step;
  useEffect(() => {
    const onKey = (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (by) current.current(by);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const file = address(`/public/results/${result.job_id}`);
  return html`
    <${Dialog} title=${t("pictureOf", { n: place + 1, all: results.length })} wide onClose=${onClose}>
      <div class="lightbox">
        <div class="lightbox-picture">
          <img key=${result.job_id} src=${file} alt=${t("pictureAt", { when: dateTimeExact(result.completed_at) })} />
          <button type="button" class="button lightbox-step lightbox-before" aria-label=${t("previous")} disabled=${place === 0} onClick=${() => step(-1)}><${Icon} name="left" /></button>
          <button type="button" class="button lightbox-step lightbox-after" aria-label=${t("next")} disabled=${place === results.length - 1} onClick=${() => step(1)}><${Icon} name="right" /></button>
        </div>
        <div class="lightbox-side">
          <div class="lightbox-qr"><${QrCode} text=${result.download_url} label=${t("qrLabel")} /><p class="soft">${t("qrHelp")}</p></div>
          <div class="stack">
            <p>${dateTimeExact(result.completed_at)}<br /><${Expiry} until=${result.result_expires_at} /></p>
            <div class="row">
              <a class="button button-primary" href=${address(`/public/results/${result.job_id}`, { download: 1 })} download><${Icon} name="download" /> ${c("download")}</a>
              <${CopyButton} text=${result.download_url} label=${t("copyLink")} />
            </div>
            ${actions}
            <a href=${to("jobs", result.job_id)}>${t("toJob")}</a>
          </div>
        </div>
      </div>
    <//>
  `;
}

/** Countdown to the expiry of a result. */
function Expiry({ until }) {
  const [now, setNow] = useState(Date.now());
  useInterval(1000, () => setNow(Date.now()));
  const left = Math.max(Math.floor((new Date(until).getTime() - now) / 1000), 0);
  if (left === 0) return html`<span class="soft">${t("expired")}</span>`;
  const two = (value) => String(value).padStart(2, "0");
  return html`<span class="soft countdown" role="timer">${t("expiresIn", { time: `${Math.floor(left / 3600)}:${two(Math.floor(left / 60) % 60)}:${two(left % 60)}` })}</span>`;
}
