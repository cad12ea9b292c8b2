/* A QR code of a link, for the phone of whoever stands before the screen. */
import { html, useMemo } from "../lib/html.js";
import qrcode from "../vendor/qrcode.js";

const QUIET = 4;

/** `label` says what the code leads to. Black on white in any colours of the page: cameras want it so. */
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
