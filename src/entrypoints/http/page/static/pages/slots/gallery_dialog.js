/* The gallery of a slot from its card: its QR code, and opening it for the evening. */
import { Problem, me } from "../../lib/api.js";
import { dateTime } from "../../lib/format.js";
import { html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { fieldErrorText, problemText } from "../../lib/messages.js";
import { AddressAdvice } from "../../parts/addresses.js";
import { CopyButton } from "../../parts/copy.js";
import { Dialog } from "../../parts/dialog.js";
import { Icon } from "../../parts/icon.js";
import { QrCode } from "../../parts/qr.js";
import { Pill } from "../../parts/states.js";
import words from "../../i18n/slots.js";
import { changeStored } from "../slot/stored.js";
import { slotTab } from "./links.js";

const t = translator(words);

const OPEN_MS = 6 * 3_600_000;

export function GalleryDialog({ slot, again, onClose }) {
  const [until, setUntil] = useState(slot.gallery_open_until);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const isOpen = until !== null && new Date(until) > Date.now();
  const set = async (moment) => {
    setBusy(true);
    setProblem(null);
    try {
      const { stored } = await changeStored(slot.id, { gallery_open_until: moment?.toISOString() ?? null });
      setUntil(stored.gallery_open_until);
      again();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  return html`
    <${Dialog} title=${t("galleryOf", { name: slot.name })} onClose=${onClose}>
      <div class="stack slot-gallery">
        <p role="status"><${Pill} tone=${isOpen ? "good" : "mute"}>${isOpen ? t("openUntil", { when: dateTime(until) }) : t("closed")}<//></p>
        ${problem && html`<p class="error" role="alert">${problem.errors.length ? fieldErrorText(problem.errors[0]) : problemText(problem)}</p>`}
        ${isOpen && html`<${QrCode} text=${slot.gallery_url} label=${t("galleryQr")} /><${AddressAdvice} url=${slot.gallery_url} />`}
        <div class="row">
          ${me.get().permissions.includes("slots:write") && (isOpen
            ? html`<button type="button" class="button" disabled=${busy} onClick=${() => set(null)}><${Icon} name="close" /> ${t("closeGallery")}</button>`
            : html`<button type="button" class="button button-primary" disabled=${busy} onClick=${() => set(new Date(Date.now() + OPEN_MS))}>${t("openGallery")}</button>`)}
          ${isOpen && html`<a class="button" href=${slot.gallery_url} target="_blank" rel="noopener"><${Icon} name="link" /> ${t("visitGallery")}</a><${CopyButton} text=${slot.gallery_url} label=${t("copyGallery")} />`}
          <a class="button" href=${slotTab(slot.id, "gallery")}>${t("allOfGallery")}</a>
        </div>
      </div>
    <//>
  `;
}
