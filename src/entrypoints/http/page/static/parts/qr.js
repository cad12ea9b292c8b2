/* A QR code of a link, to scan with a phone. */
import { onlyHere } from "../lib/hosts.js";
import { html, useMemo } from "../lib/html.js";
import { translator } from "../lib/language.js";
import words from "../i18n/addresses.js";
import qrcode from "../vendor/qrcode.js";

const t = translator(words);
const QUIET = 4;

/** `label` names the target, `help` is shown below a code. Black on white in every theme, as cameras require it. No code of an address that phones cannot open. */
export function QrCode({ text, label, help }) {
  if (onlyHere(text)) return html`<p class="qr-none">${t("noCode")}</p>`;
  return html`<${Code} text=${text} label=${label} />${help && html`<p class="soft">${help}</p>`}`;
}

function Code({ text, label }) {
  const { side, path } = useMemo(() => drawn(text), [text]);
  return html`<svg class="qr" role="img" aria-label=${label} viewBox=${`0 0 ${side} ${side}`} shape-rendering="crispEdges"><rect width=${side} height=${side} fill="#fff" /><path d=${path} fill="#000" /></svg>`;
}

function drawn(text) {
  const code = qrcode(0, "M");
  code.addData(text);
  code.make();
  const count = code.getModuleCount();
  const rows = Array.from({ length: count }, (_, row) => row);
  const path = rows.flatMap((row) => rows.filter((column) => code.isDark(row, column)).map((column) => `M${column + QUIET} ${row + QUIET}h1v1h-1z`)).join("");
  return { side: count + 2 * QUIET, path };
}
