/* Settings and other pages of the whole service, as tabs. */
import { get, me } from "../lib/api.js";
import { html, useEffect, useRef, useState } from "../lib/html.js";
import { translator } from "../lib/language.js";
import { useLoad } from "../lib/load.js";
import { route, to } from "../lib/route.js";
import { useStore } from "../lib/store.js";
import { useTitle } from "../lib/title.js";
import { Boundary } from "../parts/boundary.js";
import { Loading, ErrorNotice } from "../parts/states.js";
import { UnsavedGuard } from "../parts/unsaved.js";
import words from "../i18n/settings.js";
import { Account } from "./settings/account.js";
import { Admins } from "./settings/admins.js";
import { Audit } from "./settings/audit.js";
import { Costs } from "./settings/costs.js";
import { Health } from "./settings/health.js";
import { Ready } from "./settings/ready.js";
import { Secrets } from "./settings/secrets.js";
import { Service } from "./settings/service.js";
import { Storage } from "./settings/storage.js";

const t = translator(words);

const TABS = {
  service: { part: Service, settings: true },
  costs: { part: Costs, settings: true, permission: "slots:read" },
  secrets: { part: Secrets, settings: true },
  storage: { part: Storage },
  health: { part: Health },
  ready: { part: Ready, permission: "slots:write" },
  audit: { part: Audit },
  admins: { part: Admins, permission: "admins:read" },
  account: { part: Account },
};

export default function Settings() {
  const { query } = useStore(route);
  const who = useStore(me);
  const offered = Object.keys(TABS).filter((name) => !TABS[name].permission || who.permissions.includes(TABS[name].permission));
  const tab = offered.includes(query.tab) ? query.tab : offered[0];
  useTitle(t(`tab_${tab}`), t("title"));
  // Kept here, so that input survives a change of tabs.
  const [drafts, setDrafts] = useState({ service: {}, costs: {} });
  const loaded = useLoad(async (signal) => get("/api/settings", { signal }));
  const isChanged = (name) => Object.keys(drafts[name] ?? {}).length > 0;
  const draft = drafts[tab] ?? {};
  const setDraft = (next) => setDrafts((all) => ({ ...all, [tab]: next }));
  const tabs = useRef(null);
  useEffect(() => tabs.current.querySelector("[aria-current]").scrollIntoView({ block: "nearest", inline: "center" }), [tab]);
  const { part: Part, settings: needsSettings } = TABS[tab];
  return html`
    <div class="page-head"><h1>${t("title")}</h1></div>
    <nav ref=${tabs} class="tabs" aria-label=${t("title")}>
      ${offered.map((name) => html`
        <a key=${name} href=${`${to("settings")}?tab=${name}`} aria-current=${name === tab ? "page" : undefined}>
          ${t(`tab_${name}`)}${isChanged(name) && html`<span class="unsaved-mark" role="img" aria-label=${t("unsaved")}></span>`}
        </a>
      `)}
    </nav>
    ${needsSettings && loaded.problem && html`<${ErrorNotice} problem=${loaded.problem} again=${loaded.again} />`}
    <${Boundary} key=${tab}>
      ${!needsSettings
        ? html`<${Part} />`
        : loaded.data === null
          ? !loaded.problem && html`<${Loading} />`
          : html`<${Part} settings=${loaded.data} again=${loaded.again} ...${{ draft, setDraft }} />`}
    <//>
    <${UnsavedGuard} changed=${Object.keys(drafts).some(isChanged)} />
  `;
}
