/* The frame of every page: navigation, connection state, language, theme, sign-out. */
import { Problem, me, signOut } from "../lib/api.js";
import { timeExact } from "../lib/format.js";
import { html, useEffect, useState } from "../lib/html.js";
import { LANGUAGES, choose, language, translator } from "../lib/language.js";
import { problemText } from "../lib/messages.js";
import { connection, depth, probe } from "../lib/live.js";
import { to } from "../lib/route.js";
import { useStore } from "../lib/store.js";
import { THEMES, chooseTheme, theme } from "../lib/theme.js";
import words from "../i18n/common.js";
import { Icon } from "./icon.js";
import { toast } from "./toasts.js";

const t = translator(words);
const PLACES = { slots: "slots:read", pictures: "jobs:read", jobs: "jobs:read", statistics: "stats:read", settings: "settings:read" };

export function Shell({ place, children }) {
  const who = useStore(me);
  return html`
    <a class="skip" href="#content" onClick=${skip}>${t("skip")}</a>
    <header class="bar">
      <a class="brand" href=${to("slots")}><span class="brand-mark" aria-hidden="true"></span><span class="brand-name">PhotoChanger</span></a>
      <nav class="places" aria-label=${t("menu")}>
        ${Object.entries(PLACES)
          .filter(([, permission]) => who.permissions.includes(permission))
          .map(([name]) => html`<a key=${name} href=${to(name)} aria-current=${name === place ? "page" : undefined}><${Icon} name=${name} /><span>${t(name)}</span></a>`)}
      </nav>
      <${Connection} />
      <${Menu} username=${who.username} />
    </header>
    <${Outage} />
    <main id="content" class="content" tabindex="-1">${children}</main>
  `;
}

function skip(event) {
  event.preventDefault();
  document.getElementById("content").focus();
}

function Connection() {
  const { state } = useStore(connection);
  const now = useStore(depth);
  const late = useLate();
  const text = t(late ? "offline" : { live: "live", connecting: "connecting", off: "offline", lost: "connecting" }[state]);
  // Only the state is announced: the number of photos changes with each of them.
  return html`
    <p class=${`connection connection-${late ? "lost" : state}`}>
      <span class="dot" aria-hidden="true"></span>
      <span><span role="status">${text}</span>${state === "live" && now?.active ? html`<span class="connection-depth"> · ${t("underWay", { n: now.active })}</span>` : ""}</span>
    </p>
  `;
}

const LATE_MS = 5000;

/** Whether the connection has been interrupted for a while. */
function useLate() {
  const { state, since } = useStore(connection);
  const isDown = state === "lost" || state === "connecting";
  const [late, setLate] = useState(false);
  useEffect(() => {
    setLate(false);
    if (!isDown) return undefined;
    const timer = setTimeout(() => setLate(true), Math.max(since + LATE_MS - Date.now(), 0));
    return () => clearTimeout(timer);
  }, [isDown, since]);
  return late;
}

/** A bar across the page while it cannot show what happens. */
function Outage() {
  const { state, since } = useStore(connection);
  const late = useLate();
  const text = late && t(state === "lost" ? "lostSince" : "noEventsSince", { time: timeExact(since) });
  return late && html`<div class="outage" role="alert"><${Icon} name="alert" /> <span>${text}</span> <button type="button" class="button" onClick=${probe}>${t("tryAgain")}</button></div>`;
}

function Menu({ username }) {
  const chosen = useStore(language);
  const colours = useStore(theme);
  const onSignOut = async () => {
    try {
      await signOut();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast(problemText(error), "failed");
    }
  };
  return html`
    <details class="menu">
      <summary class="button button-plain"><${Icon} name="user" /><span class="menu-name">${username}</span></summary>
      <div class="menu-body">
        <label>${t("language")}
          <select onChange=${(event) => choose(event.target.value)}>
            ${Object.entries(LANGUAGES).map(([code, name]) => html`<option key=${code} value=${code} selected=${code === chosen} lang=${code}>${name}</option>`)}
          </select>
        </label>
        <label>${t("lightOrDark")}
          <select onChange=${(event) => chooseTheme(event.target.value)}>
            ${THEMES.map((name) => html`<option key=${name} value=${name} selected=${name === colours}>${t(`theme${name[0].toUpperCase()}${name.slice(1)}`)}</option>`)}
          </select>
        </label>
        <button type="button" class="button" onClick=${onSignOut}>${t("signOut")}</button>
      </div>
    </details>
  `;
}
