/* How to connect camera software to a slot, and the last request for troubleshooting. */
import { get, me } from "../../lib/api.js";
import { html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { useLoad } from "../../lib/load.js";
import { to } from "../../lib/route.js";
import { AddressAdvice } from "../../parts/addresses.js";
import { CopyButton } from "../../parts/copy.js";
import words from "../../i18n/connect.js";
import { LastRequest } from "./last_request.js";

const t = translator(words);
const ROOM_SECONDS = 12;
const LONGEST_WINDOW = 60;

const SOFTWARE = {
  dslr: { name: "DSLR Remote Pro", mode: "image" },
  breeze: { name: "Breeze Booth", mode: "multipart" },
};

export function Connect({ slot, isShown }) {
  const [chosen, setChosen] = useState(slot.response_mode === "multipart" ? "breeze" : "dslr");
  const { data: window } = useLoad(async (signal) => (me.get().permissions.includes("settings:read") ? (await get("/api/settings", { signal })).sync_response_seconds : LONGEST_WINDOW));
  const software = SOFTWARE[chosen];
  const seconds = Math.ceil((window ?? LONGEST_WINDOW) + ROOM_SECONDS);
  const curl = `curl --fail --max-time ${seconds} -F "password=$INGEST_PASSWORD" -F fileToUpload=@photo.jpg ${slot.ingest_url} -o finished.jpg`;
  return html`
    <div class="connect">
      <section class="card stack">
        <h2>${t("howTo")}</h2>
        <div class="row" role="group" aria-label=${t("software")}>
          ${Object.entries(SOFTWARE).map(([key, { name }]) => html`<button key=${key} type="button" class="chip chip-big" aria-pressed=${key === chosen} onClick=${() => setChosen(key)}>${name}</button>`)}
        </div>
        <p class="soft">${t(`${chosen}Where`)}</p>
        ${slot.response_mode !== software.mode && html`<p class="notice">${t("otherMode", { name: software.name, mode: t(`mode_${software.mode}`) })}</p>`}
        ${!slot.active && html`<p class="notice">${t("slotIsOff")}</p>`}
        <${AddressAdvice} url=${slot.ingest_url} />
        <dl class="facts connect-facts">
          <dt>${t("address")}</dt><dd><code>${slot.ingest_url}</code><br /><${CopyButton} text=${slot.ingest_url} label=${t("copyAddress")} /></dd>
          <dt>${t("method")}</dt><dd><code>POST</code>, <code>multipart/form-data</code></dd>
          <dt>${t("photoField")}</dt><dd><code>fileToUpload</code> <span class="soft">${t("orFile")}</span></dd>
          <dt>${t("passwordField")}</dt><dd><code>password</code></dd>
          <dt>${t("password")}</dt><dd>${t(slot.ingest_password_set ? "passwordOwn" : "passwordWhere")} ${!slot.ingest_password_set && me.get().permissions.includes("settings:read") && html`<a href=${`${to("settings")}?tab=secrets`}>${t("toSettings")}</a>`}</dd>
          <dt>${t("timeout")}</dt><dd>${t("seconds", { n: seconds })} <span class="soft">${t("timeoutWhy", { n: Math.round(window ?? LONGEST_WINDOW) })}</span></dd>
          <dt>${t("response")}</dt><dd>${t(`answer_${software.mode}`)}</dd>
          <dt>${t("further")}</dt><dd>${slot.prompt_fields.length ? slot.prompt_fields.map((name, place) => html`${place > 0 && ", "}<code>${name}</code>`) : t("noFurther")} <span class="soft">${t("furtherWhy")}</span></dd>
        </dl>
        <h3>${t("byHand")}</h3>
        <pre class="code" tabindex="0" aria-label=${t("byHand")}>${curl}</pre>
        <div class="row"><${CopyButton} text=${curl} label=${t("copyCommand")} /></div>
      </section>
      <${LastRequest} id=${slot.id} isShown=${isShown} />
    </div>
  `;
}
