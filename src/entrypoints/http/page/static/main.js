/* The administrators' page: session, routing, and lazily loaded pages. */
import { Problem, signInRequired, me, restoreSession } from "./lib/api.js";
import { html, render, useEffect, useState } from "./lib/html.js";
import { language, translator } from "./lib/language.js";
import { useReturn } from "./lib/live.js";
import { route } from "./lib/route.js";
import { useStore } from "./lib/store.js";
import "./lib/theme.js";
import { useTitle } from "./lib/title.js";
import { Boundary } from "./parts/boundary.js";
import { Shell } from "./parts/shell.js";
import { SignInAgain, SignInPage } from "./parts/sign_in.js";
import { Empty, Loading, ErrorNotice } from "./parts/states.js";
import { Toasts } from "./parts/toasts.js";
import words from "./i18n/common.js";

const t = translator(words);

const PLACES = {
  slots: { permission: "slots:read", list: () => import("./pages/slots.js"), one: () => import("./pages/slot.js") },
  pictures: { permission: "jobs:read", list: () => import("./pages/pictures.js") },
  jobs: { permission: "jobs:read", list: () => import("./pages/jobs.js"), one: () => import("./pages/job.js") },
  statistics: { permission: "stats:read", list: () => import("./pages/statistics.js") },
  settings: { permission: "settings:read", list: () => import("./pages/settings.js") },
};

function App() {
  const who = useStore(me);
  const signInAgain = useStore(signInRequired);
  useStore(language); // every text follows it
  const { path } = useStore(route);
  const name = path[0] ?? "slots";
  // A place with parts of its own sets the title itself.
  useTitle(who && path[1] === undefined && Object.hasOwn(PLACES, name) && t(name));
  useEffect(() => {
    if (who) whenIdle(() => loadOtherParts(who.permissions));
  }, [who?.username]);
  if (who === undefined) return html`<${Loading} />`;
  if (who === null) return html`<${SignInPage} /><${Toasts} />`;
  const key = path.join("/");
  return html`
    <${Shell} place=${name}><${Boundary} key=${key}><${Place} name=${name} id=${path[1]} who=${who} /><//><//>
    <${Toasts} />
    ${signInAgain && html`<${SignInAgain} username=${who.username} />`}
  `;
}

const whenIdle = (act) => (globalThis.requestIdleCallback ?? ((later) => setTimeout(later, 500)))(act);

/** Load the parts of the page that are not shown yet, so that they open even while the service is away. */
async function loadOtherParts(permissions) {
  const allowed = Object.values(PLACES).filter(({ permission }) => permissions.includes(permission));
  for (const load of allowed.flatMap(({ list, one }) => [list, one]).filter(Boolean)) {
    try {
      await load();
    } catch (error) {
      console.info("a part of the page could not be loaded in advance", error);
      return;
    }
  }
  performance.mark("all parts loaded");
}

function Place({ name, id, who }) {
  const place = Object.hasOwn(PLACES, name) ? PLACES[name] : undefined;
  const load = id === undefined ? place?.list : place?.one;
  const [part, setPart] = useState(null);
  const [failed, setFailed] = useState(null);
  const may = place !== undefined && who.permissions.includes(place.permission);
  useEffect(() => {
    if (!load || !may) return;
    load().then((module) => setPart(() => module.default), async (error) => setFailed(await causeOf(error)));
  }, []);
  // A browser may remember that a file could not be loaded, until the page is loaded again.
  useReturn(() => failed && location.reload());
  if (!load) return html`<div class="page-head"><h1>${t("notFound")}</h1></div>`;
  if (!may) return html`<div class="page-head"><h1>${t(name)}</h1></div><${Empty} icon="key">${t("notAllowed", { permission: place.permission })}<//>`;
  if (failed === "updated") return html`<div class="error-notice" role="alert"><p>${t("newVersion")}</p><button type="button" class="button" onClick=${() => location.reload()}>${t("reload")}</button></div>`;
  if (failed) return html`<${ErrorNotice} problem=${failed} again=${() => location.reload()} />`;
  return part ? html`<${part} id=${id} />` : html`<${Loading} />`;
}

/** Why a part could not be loaded: "updated" if the files of this version are gone, else a problem. */
async function causeOf(error) {
  try {
    const answer = await fetch(import.meta.url, { cache: "no-store" });
    if (answer.status === 404) return "updated";
    if (answer.ok) console.error(error);
    return new Problem({ code: answer.ok ? "page_failed" : "unreachable", detail: String(error) });
  } catch (offline) {
    return new Problem({ code: "unreachable", detail: String(offline) });
  }
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
