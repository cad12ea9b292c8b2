/* The frame of every page: navigation, connection state, language, theme, sign-out. */
import { Problem, me, signOut } from "../lib/api.js";
import { html } from "../lib/html.js";
import { LANGUAGES, choose, language, translator } from "../lib/language.js";
import { problemText } from "../lib/messages.js";
import { connection, depth } from "../lib/live.js";
import { to } from "../lib/route.js";
import { useStore } from "../lib/store.js";
import { THEMES, chooseTheme, theme } from "../lib/theme.js";
import words from "../i18n/common.js";
import { Icon } from "./icon.js";
import { toast } from "./toasts.js";

const t = translator(words);
const PLACES = { slots: "slots:read", jobs: "jobs:read", statistics: "stats:read", settings: "settings:read" };

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
    <main id="content" class="content" tabindex="-1">${children}</main>
  `;
}

function skip(event) {
  event.preventDefault();
  document.getElementById("content").focus();
}

function Connection() {
  const state = useStore(connection);
  const now = useStore(depth);
  const text = { live: t("live"), connecting: t("connecting"), off: t("offline") }[state];
  return html`
    <p class=${`connection connection-${state}`} role="status">
      <span class="dot" aria-hidden="true"></span>
      <span>${text}${state === "live" && now?.active ? ` · ${t("underWay", { n: now.active })}` : ""}</span>
    </p>
  `;
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
