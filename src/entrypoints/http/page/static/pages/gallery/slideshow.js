/* The slideshow for a screen at the event: new pictures first, with a QR code of the gallery. */
import { html, useEffect, useLayoutEffect, useRef, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { Icon } from "../../parts/icon.js";
import { QrCode } from "../../parts/qr.js";
import words from "../../i18n/gallery.js";
import { useKeys } from "./keys.js";
import { backToAll } from "./view.js";

const t = translator(words);
const EACH_MS = 6_000;
const IDLE_MS = 3_000;

export function Slideshow({ title, items, link, hasMore, more }) {
  const [shown, setShown] = useState({ now: items[0] ?? null, before: null });
  const [paused, setPaused] = useState(false);
  const seen = useRef(new Set());
  const now = shown.now ?? items[0] ?? null;
  if (now) seen.current.add(now.id);

  const show = (next) => next && setShown({ now: next, before: now });
  /** The newest picture not shown in this round: new arrivals are next. */
  const next = () => {
    const unseen = items.find((one) => !seen.current.has(one.id));
    if (unseen) return unseen;
    if (hasMore) more();
    seen.current = new Set();
    return items[0];
  };
  const step = (by) => {
    const at = items.findIndex((one) => one.id === now?.id);
    show(items[(at + by + items.length) % items.length]);
  };
  useAwake();
  const idle = useIdle();
  useLayoutEffect(() => {
    if (paused || items.length < 2) return undefined;
    const timer = setTimeout(() => show(next()), EACH_MS);
    return () => clearTimeout(timer);
  }, [now?.id, paused, items.length]);
  useEffect(() => {
    const unseen = items.find((one) => !seen.current.has(one.id));
    if (unseen) new Image().src = unseen.full;
  }, [now?.id, items[0]?.id]);
  useKeys((event) => {
    const onButton = event.target.closest("button");
    if (event.key === "Escape") backToAll();
    else if (event.key === " " && !onButton) setPaused(!paused);
    else if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "ArrowRight") step(1);
    else return;
    if (!onButton) event.preventDefault();
  });

  return html`
    <main class=${idle && !paused ? "show show-idle" : "show"}>
      <h1 class="unseen">${title}</h1>
      ${now === null && html`<p class="show-empty">${t("firstComes")}</p>`}
      ${[shown.before, now].filter((one, index, all) => one && all.indexOf(one) === index).map((one) => html`
        <img key=${one.id} class=${one === now ? "show-picture show-now" : "show-picture"} src=${one.full} alt=${one === now ? t("picture", { n: items.findIndex((other) => other.id === one.id) + 1 }) : ""} onError=${() => one === now && items.length > 1 && show(next())} />
      `)}
      <figure class="show-code"><${QrCode} text=${link} label=${t("codeOfGallery")} /><figcaption>${t("getYours")}</figcaption></figure>
      <div class="show-ways">
        <button type="button" class="button" aria-pressed=${paused} onClick=${() => setPaused(!paused)}><${Icon} name=${paused ? "play" : "pause"} /> ${paused ? t("goOn") : t("pause")}</button>
        ${document.fullscreenEnabled && html`<button type="button" class="button" onClick=${fullScreen}><${Icon} name="full" /> ${t("fullScreen")}</button>`}
        <button type="button" class="button" onClick=${backToAll}><${Icon} name="close" /> ${t("endShow")}</button>
      </div>
    </main>
  `;
}

async function fullScreen() {
  try {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await document.documentElement.requestFullscreen();
  } catch (error) {
    console.info("The browser does not fill the screen.", error);
  }
}

/** Whether mouse and keyboard have been idle for a while. */
function useIdle() {
  const [idle, setIdle] = useState(false);
  useEffect(() => {
    const over = new AbortController();
    let timer = null;
    const moved = () => {
      setIdle(false);
      clearTimeout(timer);
      timer = setTimeout(() => setIdle(true), IDLE_MS);
    };
    for (const kind of ["pointermove", "pointerdown", "keydown"]) addEventListener(kind, moved, { signal: over.signal });
    moved();
    return () => {
      over.abort();
      clearTimeout(timer);
    };
  }, []);
  return idle;
}

/** Hold a screen wake lock if the browser can; it is released whenever the page is hidden. */
function useAwake() {
  useEffect(() => {
    if (!navigator.wakeLock) return undefined;
    const over = new AbortController();
    let lock = null;
    const keep = async () => {
      if (document.hidden) return;
      try {
        lock = await navigator.wakeLock.request("screen");
        if (over.signal.aborted) await lock.release();
      } catch (error) {
        console.info("The screen may go dark.", error);
      }
    };
    document.addEventListener("visibilitychange", keep, { signal: over.signal });
    keep();
    return () => {
      over.abort();
      lock?.release();
    };
  }, []);
}
