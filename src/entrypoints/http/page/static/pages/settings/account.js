/* The signed-in user: permissions and end of the session. */
import { Problem, me, signOut } from "../../lib/api.js";
import { ago, dateTime } from "../../lib/format.js";
import { html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { problemText } from "../../lib/messages.js";
import { useStore } from "../../lib/store.js";
import { Icon } from "../../parts/icon.js";
import { toast } from "../../parts/toasts.js";
import common from "../../i18n/common.js";
import words from "../../i18n/settings.js";
import adminWords from "../../i18n/settings_admins.js";
import { OwnPassword } from "./own_password.js";

const t = translator(words);
const c = translator(common);
const a = translator(adminWords);
const PERMISSIONS = ["slots:read", "slots:write", "jobs:read", "jobs:write", "stats:read", "media:read", "media:write", "settings:read", "settings:write", "admins:read", "admins:write"];

export function Account() {
  const who = useStore(me);
  const [changes, setChanges] = useState(false);
  const leave = async (options) => {
    try {
      await signOut(options);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast(problemText(error), "failed");
    }
  };
  return html`
    <section class="card account">
      <h2>${who.username}</h2>
      <dl class="facts">
        <dt>${t("sessionEnds")}</dt>
        <dd>${dateTime(who.expires_at)} <span class="soft">(${ago(who.expires_at)})</span></dd>
      </dl>
      <h3>${t("mayDo")}</h3>
      <ul class="account-permissions">
        ${PERMISSIONS.map((name) => {
          const may = who.permissions.includes(name);
          return html`<li key=${name} class=${may ? "" : "soft"}><${Icon} name=${may ? "check" : "close"} /><span>${t.of("permission", name)}<span class="unseen">: ${may ? c("yes") : c("no")}</span></span></li>`;
        })}
      </ul>
      <p class="soft">${t("accountHelp")}</p>
      <div class="actions">
        <button type="button" class="button" onClick=${() => setChanges(true)}>${a("ownPassword")}</button>
        <button type="button" class="button" onClick=${() => leave()}>${c("signOut")}</button>
        <button type="button" class="button" onClick=${() => leave({ everywhere: true })}>${t("signOutEverywhere")}</button>
      </div>
      ${changes && html`<${OwnPassword} username=${who.username} onClose=${() => setChanges(false)} />`}
    </section>
  `;
}
