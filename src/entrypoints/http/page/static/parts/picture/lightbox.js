/* A finished picture in full size with its QR code and what can be done with it; the arrow keys show the others of the list. */
import { Problem, address, request } from "../../lib/api.js";
import { dateTimeExact } from "../../lib/format.js";
import { html, useEffect, useRef, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { useInterval } from "../../lib/load.js";
import { problemText } from "../../lib/messages.js";
import { to } from "../../lib/route.js";
import words from "../../i18n/picture.js";
import { Confirm, Dialog } from "../dialog.js";
import { Icon } from "../icon.js";
import { QrCode } from "../qr.js";
import { toast } from "../toasts.js";
import { PictureActions } from "./actions.js";

const t = translator(words);

/**
 * `pictures` are `{job_id, completed_at, link, expires_at, mime, slot_name, visibility, isTest}`, of which the last three
 * may be missing; `hasMore`: the list goes on after them. `onGo(place)`, `onClose()`; `onChanged(listed)` after its
 * visibility was changed, `onErased(picture)` after the guest of the picture was erased. `isOfJob`: on the page of its job.
 */
export function Lightbox({ pictures, place, hasMore = false, isOfJob = false, onGo, onClose, onChanged = () => {}, onErased }) {
  const picture = pictures[place];
  const [asks, setAsks] = useState(false);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState(null);
  useEffect(() => setFailure(null), [picture.job_id]);
  const step = (by) => {
    const next = place + by;
    if (!asks && next >= 0 && next < pictures.length) onGo(next);
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
  const erase = async () => {
    setAsks(false);
    setBusy(true);
    setFailure(null);
    try {
      await request("DELETE", `/api/jobs/${picture.job_id}`);
      toast(t("erased"));
      onErased(picture);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setFailure(problemText(error));
    } finally {
      setBusy(false);
    }
  };
  const when = dateTimeExact(picture.completed_at);
  const isAlone = pictures.length === 1 && !hasMore;
  const title = isAlone ? t("pictureAt", { when }) : t("pictureOf", { n: place + 1, all: `${pictures.length}${hasMore ? "+" : ""}` });
  return html`
    <${Dialog} title=${title} wide onClose=${onClose}>
      <div class="lightbox">
        <div class="lightbox-picture">
          <img key=${picture.job_id} src=${address(`/public/results/${picture.job_id}`)} alt=${t("pictureAt", { when })} />
          ${!isAlone && html`
            <button type="button" class="button lightbox-step lightbox-before" aria-label=${t("previous")} disabled=${place === 0} onClick=${() => step(-1)}><${Icon} name="left" /></button>
            <button type="button" class="button lightbox-step lightbox-after" aria-label=${t("next")} disabled=${place === pictures.length - 1} onClick=${() => step(1)}><${Icon} name="right" /></button>
          `}
        </div>
        <div class="lightbox-side">
          <div class="lightbox-qr"><${QrCode} text=${picture.link} label=${t("qrLabel")} help=${t("qrHelp")} /></div>
          <p>${picture.slot_name && html`<b>${picture.slot_name}</b><br />`}${when}<br /><${Expiry} until=${picture.expires_at} /></p>
          <${PictureActions} picture=${picture} busy=${busy} onFailure=${setFailure} onChanged=${onChanged} onAskErase=${() => setAsks(true)} />
          ${failure && html`<p class="error" role="alert">${failure}</p>`}
          ${!isOfJob && html`<a href=${to("jobs", picture.job_id)}>${t("toJob")}</a>`}
        </div>
      </div>
      ${asks && html`<${Confirm} title=${t("eraseTitle")} text=${t("eraseText")} yes=${t("erase")} dangerous onYes=${erase} onNo=${() => setAsks(false)} />`}
    <//>
  `;
}

/** Countdown to the expiry of a picture. */
function Expiry({ until }) {
  const [now, setNow] = useState(Date.now());
  useInterval(1000, () => setNow(Date.now()));
  const left = Math.max(Math.floor((new Date(until).getTime() - now) / 1000), 0);
  if (left === 0) return html`<span class="soft">${t("expired")}</span>`;
  const two = (value) => String(value).padStart(2, "0");
  return html`<span class="soft countdown" role="timer">${t("expiresIn", { time: `${Math.floor(left / 3600)}:${two(Math.floor(left / 60) % 60)}:${two(left % 60)}` })}</span>`;
}
