/* Whether other devices can open an address, and what to do if not. */
import { get } from "../lib/api.js";
import { onlyHere } from "../lib/hosts.js";
import { html } from "../lib/html.js";
import { translator } from "../lib/language.js";
import { useLoad } from "../lib/load.js";
import words from "../i18n/addresses.js";
import { CopyButton } from "./copy.js";
import { Icon } from "./icon.js";

const t = translator(words);

/** A warning under an address of this machine itself, with addresses of the network to use instead. */
export function AddressAdvice({ url }) {
  return onlyHere(url) ? html`<${Advice} url=${url} />` : null;
}

function Advice({ url }) {
  const { data } = useLoad((signal) => get("/api/addresses", { signal }));
  const path = url.slice(new URL(url).origin.length);
  const others = (data?.network_urls ?? []).map((base) => new URL(base).origin + path);
  return html`
    <div class="notice address-advice" role="note">
      <p><${Icon} name="alert" size=${18} /> ${t("onlyHere")}</p>
      ${data && (others.length ? html`
        <p>${t("inNetwork")}</p>
        <ul>${others.map((other) => html`<li key=${other} class="row"><code>${other}</code><${CopyButton} text=${other} /></li>`)}</ul>
        <p>${t("mayChange")} <code>PHOTOCHANGER_PUBLIC_BASE_URL</code></p>
      ` : html`<p>${t("notInNetwork")} <code>photochanger serve --host 0.0.0.0</code></p>`)}
    </div>
  `;
}
