/* A slot's gallery for guests: opened and closed at once. */
import { Problem } from "../../lib/api.js";
import { dateTime } from "../../lib/format.js";
import { html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { useInterval } from "../../lib/load.js";
import { errorOf, problemText } from "../../lib/messages.js";
import { AddressAdvice } from "../../parts/addresses.js";
import { CopyButton } from "../../parts/copy.js";
import { Field } from "../../parts/field.js";
import { Icon } from "../../parts/icon.js";
import { QrCode } from "../../parts/qr.js";
import { Pill } from "../../parts/states.js";
import { toast } from "../../parts/toasts.js";
import words from "../../i18n/slot.js";
import { changeStored } from "./stored.js";

const t = translator(words);
const HOUR = 3_600_000;

/** `slot` is the stored slot; `onStored(slot, etag)` receives the changed one and the version it is based on. */
export function Gallery({ slot, onStored }) {
  const [now, setNow] = useState(Date.now());
  useInterval(10_000, () => setNow(Date.now()));
  const [chosen, setChosen] = useState(null);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const until = slot.gallery_open_until;
  const open = until !== null && new Date(until).getTime() > now;
  const set = async (moment) => {
    setBusy(true);
    setProblem(null);
    try {
      const { stored, from } = await changeStored(slot.id, { gallery_open_until: moment?.toISOString() ?? null });
      setNow(Date.now());
      setChosen(null);
      onStored(stored, from);
      toast(moment === null ? t("galleryClosed") : t("galleryOpened", { when: dateTime(moment) }));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  const after = (hours) => () => set(new Date(Date.now() + hours * HOUR));
  const fieldError = errorOf(problem, "gallery_open_until");
  const onSubmit = (event) => {
    event.preventDefault();
    if (chosen) set(new Date(chosen));
  };
  return html`
    <section class="card stack" aria-label=${t("gallery")}>
      <div class="row row-apart"><h2>${t("gallery")}</h2><${Pill} tone=${open ? "good" : "mute"}>${open ? t("openUntil", { when: dateTime(until) }) : t("closed")}<//></div>
      <p class="soft">${t("galleryHelp")}</p>
      <div class="row">
        <button type="button" class="button" disabled=${busy} onClick=${after(2)}>${t("openHours", { n: 2 })}</button>
        <button type="button" class="button" disabled=${busy} onClick=${after(6)}>${t("openHours", { n: 6 })}</button>
        <button type="button" class="button" disabled=${busy} onClick=${() => set(tomorrowMorning())}>${t("untilMorning")}</button>
        ${open && html`<button type="button" class="button" disabled=${busy} onClick=${() => set(null)}><${Icon} name="close" /> ${t("closeGallery")}</button>`}
      </div>
      ${problem && !fieldError && html`<p class="error" role="alert">${problem.errors.length ? t("galleryNotSet", { n: problem.errors.length }) : problemText(problem)}</p>`}
      <form class="gallery-until" onSubmit=${onSubmit}>
        <${Field} id="gallery-until" label=${t("galleryUntil")} error=${fieldError} control=${(attributes) => html`<input ...${attributes} class="moment" type="datetime-local" value=${chosen ?? localText(until)} onInput=${(event) => setChosen(event.target.value)} />`} />
        <button class="button" disabled=${busy || !chosen}>${t(open ? "change" : "openGalleryThen")}</button>
      </form>
      ${open && html`
        <div class="gallery-way">
          <${QrCode} text=${slot.gallery_url} label=${t("galleryQr")} />
          <div class="stack"><a href=${slot.gallery_url} target="_blank" rel="noopener">${slot.gallery_url}</a><div class="row"><${CopyButton} text=${slot.gallery_url} label=${t("copyGallery")} /><a class="button" href=${slot.gallery_url} target="_blank" rel="noopener"><${Icon} name="link" /> ${t("openGallery")}</a></div></div>
        </div>
        <${AddressAdvice} url=${slot.gallery_url} />
      `}
    </section>
  `;
}

/** 6:00 of the next day in the browser's time zone. */
function tomorrowMorning() {
  const moment = new Date();
  moment.setDate(moment.getDate() + 1);
  moment.setHours(6, 0, 0, 0);
  return moment;
}

/** A time as the value of a `datetime-local` input: local, without a zone. */
function localText(value) {
  if (value === null) return "";
  const moment = new Date(value);
  const shifted = new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}
