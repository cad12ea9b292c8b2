/* Storage space, and deletion of expired files now. */
import { Problem, request, get, me } from "../../lib/api.js";
import { bytes } from "../../lib/format.js";
import { html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { problemText } from "../../lib/messages.js";
import { useInterval, useLoad } from "../../lib/load.js";
import { Confirm } from "../../parts/dialog.js";
import { Icon } from "../../parts/icon.js";
import { Pill, ErrorNotice } from "../../parts/states.js";
import { toast } from "../../parts/toasts.js";
import words from "../../i18n/settings.js";

const t = translator(words);
const REFRESH_MS = 10_000;

export function Storage() {
  const { data, problem, again } = useLoad(async (signal) => get("/api/status", { signal }));
  const [confirming, setConfirming] = useState(null);
  useInterval(REFRESH_MS, again);
  const may = me.get().permissions.includes("settings:write");
  const purge = async () => {
    setConfirming(null);
    try {
      await request("POST", "/api/media/cache/purge", { json: { scope: confirming } });
      toast(t("purgeBegan"));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast(problemText(error), "failed");
    }
  };
  return html`
    <div class="stack">
      <section class="card">
        <h2>${t("room")}</h2>
        ${problem && html`<${ErrorNotice} problem=${problem} again=${again} />`}
        ${data && html`<${Room} disk=${data.disk} />`}
        <p class="soft storage-note">${t("roomHelp")}</p>
      </section>
      <section class="card">
        <h2>${t("purge")}</h2>
        <p>${t("purgeHelp")}</p>
        ${may && html`
          <div class="row storage-ways">
            <button type="button" class="button" onClick=${() => setConfirming("media_objects")}><${Icon} name="link" /> ${t("purge_media_objects")}</button>
            <button type="button" class="button" onClick=${() => setConfirming("full")}><${Icon} name="trash" /> ${t("purge_full")}</button>
          </div>
        `}
      </section>
      ${confirming && html`<${Confirm} title=${t(`purge_${confirming}`)} text=${t(`purgeText_${confirming}`)} yes=${t("purgeNow")} onYes=${purge} onNo=${() => setConfirming(null)} />`}
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
