/* Which addresses other devices can open. */

/** Whether only this machine can open the URL: a phone that scans its QR code finds nothing. */
export function onlyHere(url) {
  const { hostname } = new URL(url);
  return hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]" || hostname === "0.0.0.0" || hostname.startsWith("127.");
}
