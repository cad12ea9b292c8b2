/* A QR code of a link, for a phone that is held before the screen. */
import { html, useMemo } from "../lib/html.js";
import qrcode from "../vendor/qrcode.js";

const QUIET = 4;

/** `label` says what the link leads to; the code is dark on light in either colouring, as cameras expect it. */
export function QrCode({ link, label, className = "" }) {
  const { side, path } = useMemo(() => drawing(link), [link]);
  return html`
    <svg class=${`qr ${className}`} viewBox=${`0 0 ${side} ${side}`} role="img" aria-label=${label} shape-rendering="crispEdges">
      <rect class="qr-ground" width=${side} height=${side} />
      <path class="qr-marks" d=${path} />
    </svg>
  `;
}

function drawing(link) {
  const code = qrcode(0, "M");
  code.addData(link, "Byte");
  code.make();
  const count = code.getModuleCount();
  let path = "";
  for (let row = 0; row < count; row += 1) {
    for (let column = 0; column < count; column += 1) {
      if (code.isDark(row, column)) path += `M${column + QUIET} ${row + QUIET}h1v1h-1z`;
    }
  }
  return { side: count + 2 * QUIET, path };
}
