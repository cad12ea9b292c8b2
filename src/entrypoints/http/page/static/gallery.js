/* The public gallery: a slot's pictures on guests' phones and on a screen at the event, without sign-in. */
import { ROOT } from "./lib/api.js";
import { html, render, useEffect, useRef } from "./lib/html.js";
import { LANGUAGES, choose, language, translator } from "./lib/language.js";
import { useStore } from "./lib/store.js";
import { useFeed, useFrom } from "./pages/gallery/feed.js";
import { Grid } from "./pages/gallery/grid.js";
import { Slideshow } from "./pages/gallery/slideshow.js";
import { view } from "./pages/gallery/view.js";
import { Viewer } from "./pages/gallery/viewer.js";
import { Icon } from "./parts/icon.js";
import { Empty, Loading, ErrorNotice } from "./parts/states.js";
import words from "./i18n/gallery.js";

const t = translator(words);
const SLOT = decodeURIComponent(location.pathname.slice(`${ROOT}/gallery/`.length));

function Gallery() {
  const code = useStore(language);
  const what = useStore(view);
  const feed = useFeed(SLOT);
  // The list of a linked picture stays while the guest turns to others of it.
  const linkedFrom = useRef(null);
  if (what.kind !== "picture") linkedFrom.current = null;
  else linkedFrom.current ??= what.id;
  useEffect(() => {
    document.title = feed.title || t("closedTitle");
  }, [feed.title, code]);
  if (feed.state === "loading") return feed.problem ? html`<main class="gallery"><${ErrorNotice} problem=${feed.problem} /></main>` : html`<${Loading} />`;
  if (feed.state === "closed") return html`<${Closed} />`;
  const { title, url, items, hasMore, more, problem } = feed;
  // Guests scan the code with another device: the public address may differ from this screen's.
  if (what.kind === "show") return html`<${Slideshow} key=${code} ...${{ title, items, link: url, hasMore, more }} />`;
  const index = what.kind === "picture" ? items.findIndex((one) => one.id === what.id) : -1;
  const isElsewhere = what.kind === "picture" && index < 0;
  return html`
    <main class="gallery" key=${code}>
      <header class="gallery-head">
        <h1>${title}</h1>
        <a class="button gallery-show" href="#show"><${Icon} name="play" /> ${t("show")}</a>
        <${Languages} chosen=${code} />
      </header>
      ${problem && html`<p class="notice" role="status">${t("noConnection")}</p>`}
      ${items.length ? html`<${Grid} ...${{ items, hasMore, more }} />` : html`<${Empty}>${t("firstComes")}<//>`}
      ${index >= 0 && html`<${Viewer} ...${{ items, index, hasMore, more }} />`}
      ${isElsewhere && html`<${Linked} key=${`linked-${linkedFrom.current}`} id=${what.id} />`}
    </main>
  `;
}

/** A picture that the list does not have yet, by a link: with those that are older. */
function Linked({ id }) {
  const { items, problem, hasMore, more } = useFrom(SLOT, id);
  const index = items.findIndex((one) => one.id === id);
  if (problem?.status === 404) return html`<p class="notice gallery-gone" role="status">${t("pictureGone")}</p>`;
  if (index < 0) return problem ? html`<${ErrorNotice} problem=${problem} />` : html`<${Loading} />`;
  return html`<${Viewer} ...${{ items, index, hasMore, more }} isLinked />`;
}

function Closed() {
  const code = useStore(language);
  return html`
    <main class="gallery gallery-closed" key=${code}>
      <header class="gallery-head"><${Languages} chosen=${code} /></header>
      <div class="card">
        <span class="brand-mark" aria-hidden="true"></span>
        <h1>${t("closedTitle")}</h1>
        <p class="soft">${t("closedText")}</p>
      </div>
    </main>
  `;
}

function Languages({ chosen }) {
  return html`
    <div class="languages" role="group" aria-label=${t("language")}>
      ${Object.entries(LANGUAGES).map(([code, name]) => html`
        <button key=${code} type="button" class="button button-plain" lang=${code} title=${name} aria-pressed=${code === chosen} onClick=${() => choose(code)}>${code.toUpperCase()}</button>
      `)}
    </div>
  `;
}

render(html`<${Gallery} />`, document.getElementById("app"));
