/* A QR code of a link, to scan with a phone. */
import { html, useMemo } from "../lib/html.js";
import qrcode from "../vendor/qrcode.js";

const QUIET = 4;

/** `label` names the target. Black on white in every theme, as cameras require it. */
export function QrCode({ text, label }) {
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
