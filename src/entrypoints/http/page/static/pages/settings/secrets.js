/* Passwords and keys: write-only. */
import { me } from "../../lib/api.js";
import { dateTime } from "../../lib/format.js";
import { html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { Icon } from "../../parts/icon.js";
import words from "../../i18n/settings_secrets.js";
import { actorName } from "./actors.js";
import { Cameras } from "./cameras.js";
import { IngestKeys } from "./ingest_keys.js";
import { NewPassword } from "./new_password.js";
import { Providers } from "./providers.js";

const t = translator(words);

export function Secrets({ settings, again }) {
  const [changes, setChanges] = useState(false);
  const may = me.get().permissions.includes("settings:write");
  const set = settings.ingest_password;
  return html`
    <div class="stack">
      <section class="card">
        <h2>${t("cameras")}</h2>
        <p>${t("camerasHelp")}</p>
        <div class="row row-apart secrets-foot">
          <p class="soft">${set ? t("changed", { when: dateTime(set.changed_at), who: actorName(set.changed_by) }) : t("noPassword")}</p>
          ${may && html`<button type="button" class="button" onClick=${() => setChanges(true)}><${Icon} name="key" /> ${t("changePassword")}</button>`}
        </div>
        ${set && me.get().permissions.includes("slots:read") && html`<details class="values"><summary>${t("whichCameras")}</summary><${Cameras} changedAt=${set.changed_at} /></details>`}
      </section>
      <${IngestKeys} />
      <${Providers} settings=${settings} again=${again} />
      ${changes && html`<${NewPassword} onDone=${again} onClose=${() => setChanges(false)} />`}
    </div>
  `;
}
