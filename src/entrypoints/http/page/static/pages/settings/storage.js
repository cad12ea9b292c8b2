/* The room that pictures have, and removing at once what would go by itself. */
import { Problem, ask, get, me } from "../../lib/api.js";
import { bytes } from "../../lib/format.js";
import { html, useState } from "../../lib/html.js";
import { say } from "../../lib/language.js";
import { useEvery, useLoad } from "../../lib/load.js";
import { Confirm } from "../../parts/dialog.js";
import { Icon } from "../../parts/icon.js";
import { Pill, Trouble } from "../../parts/states.js";
import { toast } from "../../parts/toasts.js";
import common from "../../i18n/common.js";
import words from "../../i18n/settings.js";

const t = say(words);
const c = say(common);
const REFRESH_MS = 10_000;

export function Storage() {
  const { data, problem, again } = useLoad(async (signal) => get("/api/status", { signal }));
  const [asks, setAsks] = useState(null);
  useEvery(REFRESH_MS, again);
  const may = me.get().permissions.includes("settings:write");
  const purge = async () => {
    setAsks(null);
    try {
      await ask("POST", "/api/media/cache/purge", { json: { scope: asks } });
      toast(t("purgeBegan"));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast(error.code === "unreachable" ? c("unreachable") : error.message, "failed");
    }
  };
  return html`
    <div class="stack">
      <section class="card">
        <h2>${t("room")}</h2>
        ${problem && html`<${Trouble} problem=${problem} again=${again} />`}
        ${data && html`<${Room} disk=${data.disk} />`}
        <p class="soft storage-note">${t("roomHelp")}</p>
      </section>
      <section class="card">
        <h2>${t("purge")}</h2>
        <p>${t("purgeHelp")}</p>
        ${may && html`
          <div class="row storage-ways">
            <button type="button" class="button" onClick=${() => setAsks("media_objects")}><${Icon} name="link" /> ${t("purge_media_objects")}</button>
            <button type="button" class="button" onClick=${() => setAsks("full")}><${Icon} name="trash" /> ${t("purge_full")}</button>
          </div>
        `}
      </section>
      ${asks && html`<${Confirm} title=${t(`purge_${asks}`)} text=${t(`purgeText_${asks}`)} yes=${t("purgeNow")} onYes=${purge} onNo=${() => setAsks(null)} />`}
    </div>
  `;
}

export function Room({ disk }) {
  if (disk.free_bytes === null) return html`<p>${t("roomUnknown")}</p>`;
  return html`
    <p class="row">
      <strong class="big-figure">${bytes(disk.free_bytes)}</strong> ${t("free")}
      <${Pill} tone=${disk.enough ? "good" : "bad"}>${disk.enough ? t("enough") : t("notEnough")}<//>
      <span class="soft">${t("floor", { floor: bytes(disk.floor_bytes) })}</span>
    </p>
  `;
}
