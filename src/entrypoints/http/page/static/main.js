/* The administrators' page: session, routing, and lazily loaded pages. */
import { signInRequired, me, restoreSession } from "./lib/api.js";
import { Fragment, html, render, useEffect, useState } from "./lib/html.js";
import { language, translator } from "./lib/language.js";
import "./lib/live.js";
import { route } from "./lib/route.js";
import { useStore } from "./lib/store.js";
import "./lib/theme.js";
import { Shell } from "./parts/shell.js";
import { SignInAgain, SignInPage } from "./parts/sign_in.js";
import { Empty, Loading, ErrorNotice } from "./parts/states.js";
import { Toasts } from "./parts/toasts.js";
import words from "./i18n/common.js";

const t = translator(words);

const PLACES = {
  slots: { permission: "slots:read", list: () => import("./pages/slots.js"), one: () => import("./pages/slot.js") },
  jobs: { permission: "jobs:read", list: () => import("./pages/jobs.js"), one: () => import("./pages/job.js") },
  statistics: { permission: "stats:read", list: () => import("./pages/statistics.js") },
  settings: { permission: "settings:read", list: () => import("./pages/settings.js") },
};

function App() {
  const who = useStore(me);
  const signInAgain = useStore(signInRequired);
  const code = useStore(language);
  const { path } = useStore(route);
  useEffect(() => {
    document.title = path[0] in PLACES ? `${t(path[0])} · PhotoChanger` : "PhotoChanger";
  }, [path[0], code]);
  if (who === undefined) return html`<${Loading} />`;
  if (who === null) return html`<${Fragment} key=${code}><${SignInPage} /><${Toasts} /><//>`;
  const name = path[0] ?? "slots";
  return html`
    <${Shell} place=${name}><${Place} key=${path.join("/")} name=${name} id=${path[1]} who=${who} /><//>
    <${Toasts} />
    ${signInAgain && html`<${SignInAgain} username=${who.username} />`}
  `;
}

function Place({ name, id, who }) {
  const place = PLACES[name];
  const load = id === undefined ? place?.list : place?.one;
  const [part, setPart] = useState(null);
  const [failed, setFailed] = useState(null);
  const may = place !== undefined && who.permissions.includes(place.permission);
  useEffect(() => {
    if (!load || !may) return;
    load().then((module) => setPart(() => module.default), setFailed);
  }, []);
  if (!load) return html`<${Empty}>${t("notFound")}<//>`;
  if (!may) return html`<${Empty} icon="key">${t("notAllowed", { permission: place.permission })}<//>`;
  // After an upgrade the files of the earlier version are gone, and an open page still requests them.
  if (failed) return html`<div class="error-notice" role="alert"><p>${t("newVersion")}</p><button type="button" class="button" onClick=${() => location.reload()}>${t("reload")}</button></div>`;
  return part ? html`<${part} id=${id} />` : html`<${Loading} />`;
}

async function start() {
  const root = document.getElementById("app");
  try {
    await restoreSession();
  } catch (problem) {
    render(html`<${ErrorNotice} problem=${problem} again=${start} />`, root);
    return;
  }
  render(html`<${App} />`, root);
}

start();
