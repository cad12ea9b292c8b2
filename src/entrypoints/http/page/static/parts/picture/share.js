/* Handing a picture on: by what the device offers for sharing, or by its link. */
import { copy } from "../../lib/clipboard.js";
import { html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import words from "../../i18n/share.js";
import { Icon } from "../icon.js";

const t = translator(words);
const COPIED_MS = 2000;
const SUFFIXES = { "image/png": "png", "image/webp": "webp" };

/** Browsers offer sharing on secure addresses only. */
export const canShare = () => Boolean(navigator.share);

/** `file` is the picture's address on this host, `link` the one for others. The file is shared if the device can, else the link. */
export function ShareButton({ id, mime, file, link }) {
  const [failed, setFailed] = useState(false);
  const onClick = async () => {
    setFailed(false);
    try {
      await navigator.share(await shared({ id, mime, file, link }));
    } catch (error) {
      if (error.name === "AbortError") return; // the user has changed their mind
      console.info("the picture could not be shared", error);
      setFailed(true);
    }
  };
  return html`
    <button type="button" class="button" onClick=${onClick}><${Icon} name="share" /> ${t("share")}</button>
    ${failed && html`<p class="error" role="alert">${t("shareFailed")}</p>`}
  `;
}

/** Says by itself that the link is copied: notifications are behind a dialog, and guests have none. */
export function CopyLink({ link }) {
  const [copied, setCopied] = useState(false);
  const onClick = async () => {
    await copy(link);
    setCopied(true);
    setTimeout(() => setCopied(false), COPIED_MS);
  };
  return html`<button type="button" class="button" onClick=${onClick}><${Icon} name=${copied ? "check" : "copy"} /> <span aria-live="polite">${t(copied ? "linkCopied" : "copyLink")}</span></button>`;
}

async function shared({ id, mime, file, link }) {
  const answer = await fetch(file);
  if (answer.ok) {
    const files = [new File([await answer.blob()], `${id}.${SUFFIXES[mime] ?? "jpg"}`, { type: mime })];
    if (navigator.canShare?.({ files })) return { files };
  }
  return { url: link };
}
