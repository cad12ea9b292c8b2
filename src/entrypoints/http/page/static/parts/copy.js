/* A button that copies a text to the clipboard. */
import { copy } from "../lib/clipboard.js";
import { html, useState } from "../lib/html.js";
import { translator } from "../lib/language.js";
import words from "../i18n/common.js";
import { Icon } from "./icon.js";
import { toast } from "./toasts.js";

const t = translator(words);

/** `iconOnly` shows the icon alone; then `label` is a text. */
export function CopyButton({ text, label, iconOnly }) {
  const [copied, setCopied] = useState(false);
  const onClick = async () => {
    await copy(text);
    setCopied(true);
    toast(t("copied"));
    setTimeout(() => setCopied(false), 2000);
  };
  if (iconOnly) return html`<button type="button" class="button button-plain" aria-label=${label} title=${label} onClick=${onClick}><${Icon} name=${copied ? "check" : "copy"} /></button>`;
  return html`<button type="button" class="button" onClick=${onClick}><${Icon} name=${copied ? "check" : "copy"} /> ${label ?? t("copy")}</button>`;
}
