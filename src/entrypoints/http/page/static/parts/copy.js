/* A button that copies a text to the clipboard. */
import { html, useState } from "../lib/html.js";
import { translator } from "../lib/language.js";
import words from "../i18n/common.js";
import { Icon } from "./icon.js";
import { toast } from "./toasts.js";

const t = translator(words);

/** The clipboard API exists on secure origins only; elsewhere a hidden field is copied. */
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "unseen";
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

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
