/* Opening time of a slot's gallery. */
import { dateTime } from "../../lib/format.js";
import { html } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { CopyButton } from "../../parts/copy.js";
import { Field } from "../../parts/field.js";
import { Icon } from "../../parts/icon.js";
import { QrCode } from "../../parts/qr.js";
import { Pill } from "../../parts/states.js";
import { ROOT } from "../../lib/api.js";
import words from "../../i18n/slot.js";

const t = translator(words);
const HOUR = 3_600_000;

/** `until` is an ISO date and time or null. */
export function Gallery({ id, until, error, onChange }) {
  const open = until !== null && new Date(until).getTime() > Date.now();
  const address = `${location.origin}${ROOT}/gallery/${id}`;
  const after = (hours) => () => onChange(new Date(Date.now() + hours * HOUR).toISOString());
  return html`
    <section class="card stack">
      <div class="row row-apart"><h2>${t("gallery")}</h2><${Pill} tone=${open ? "good" : "mute"}>${open ? t("openUntil", { when: dateTime(until) }) : t("closed")}<//></div>
      <p class="soft">${t("galleryHelp")}</p>
      <div class="row">
        <button type="button" class="button" onClick=${after(2)}>${t("hours", { n: 2 })}</button>
        <button type="button" class="button" onClick=${after(6)}>${t("hours", { n: 6 })}</button>
        <button type="button" class="button" onClick=${() => onChange(tomorrowMorning().toISOString())}>${t("untilMorning")}</button>
        ${until !== null && html`<button type="button" class="button" onClick=${() => onChange(null)}>${t("closeGallery")}</button>`}
      </div>
      <${Field} id="gallery-until" label=${t("galleryUntil")} error=${error} control=${(attributes) => html`<input ...${attributes} class="moment" type="datetime-local" value=${localText(until)} onChange=${(event) => onChange(event.target.value ? new Date(event.target.value).toISOString() : null)} />`} />
      ${open && html`
        <div class="gallery-way">
          <${QrCode} text=${address} label=${t("galleryQr")} />
          <div class="stack"><a href=${address} target="_blank" rel="noopener">${address}</a><div class="row"><${CopyButton} text=${address} label=${t("copyGallery")} /><a class="button" href=${address} target="_blank" rel="noopener"><${Icon} name="link" /> ${t("openGallery")}</a></div></div>
        </div>
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
