/* A slot's gallery for guests: opened, closed and named at once; its link, its QR code, and a sign to print. */
import { Problem, me } from "../../lib/api.js";
import { dateTime } from "../../lib/format.js";
import { html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { useInterval } from "../../lib/load.js";
import { errorOf, problemText } from "../../lib/messages.js";
import { AddressAdvice } from "../../parts/addresses.js";
import { CopyButton } from "../../parts/copy.js";
import { Field } from "../../parts/field.js";
import { Icon } from "../../parts/icon.js";
import { Pill } from "../../parts/states.js";
import { toast } from "../../parts/toasts.js";
import share from "../../i18n/share.js";
import words from "../../i18n/slot_gallery.js";
import { SignToPrint } from "./sign.js";
import { changeStored } from "./stored.js";

const t = translator(words);
const s = translator(share);
const HOUR = 3_600_000;

/** `slot` is the stored slot; `onStored(slot, etag, field)` receives the changed one and the version it is based on. */
export function Gallery({ slot, isShown, onStored }) {
  const [now, setNow] = useState(Date.now());
  useInterval(10_000, () => setNow(Date.now()));
  const mayWrite = me.get().permissions.includes("slots:write");
  const isOpen = slot.gallery_open_until !== null && new Date(slot.gallery_open_until).getTime() > now;
  const onSet = (stored, from, field) => {
    setNow(Date.now());
    onStored(stored, from, field);
  };
  const url = slot.gallery_url;
  return html`
    <div class="gallery-tab">
      <div class="stack">
        <section class="card stack" aria-label=${t("gallery")}>
          <div class="row row-apart"><h2>${t("gallery")}</h2><${Pill} tone=${isOpen ? "good" : "mute"}>${isOpen ? t("openUntil", { when: dateTime(slot.gallery_open_until) }) : t("closed")}<//></div>
          <p class="soft">${t("help")}</p>
          ${mayWrite && html`<${Opening} slot=${slot} isOpen=${isOpen} onStored=${onSet} />`}
        </section>
        ${mayWrite && html`<section class="card stack"><${Title} key=${slot.gallery_title} slot=${slot} onStored=${onSet} /></section>`}
        <section class="card stack" aria-label=${t("link")}>
          <h2>${t("link")}</h2>
          <a class="gallery-link" href=${url} target="_blank" rel="noopener">${url}</a>
          <div class="row">
            <${CopyButton} text=${url} label=${s("copyLink")} />
            <a class="button" href=${url} target="_blank" rel="noopener"><${Icon} name="link" /> ${t("openGallery")}</a>
            <a class="button" href=${`${url}#show`} target="_blank" rel="noopener"><${Icon} name="play" /> ${t("slideshow")}</a>
          </div>
          ${isShown && html`<${AddressAdvice} url=${url} />`}
        </section>
      </div>
      <${SignToPrint} title=${slot.gallery_title ?? slot.name} url=${url} />
    </div>
  `;
}

/** `{busy, problem, store}`: `store(field, value)` changes the stored slot at once; whether that went well. */
function useStored(slot, onStored) {
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const store = async (field, value) => {
    setBusy(true);
    setProblem(null);
    try {
      const { stored, from } = await changeStored(slot.id, { [field]: value });
      onStored(stored, from, field);
      return true;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, problem, store };
}

/** What is wrong with the slot as a whole; nothing where the field itself shows it. */
function NotStored({ problem, field }) {
  if (!problem || errorOf(problem, field)) return null;
  return html`<p class="error" role="alert">${problem.errors.length ? t("notSet", { n: problem.errors.length }) : problemText(problem)}</p>`;
}

function Opening({ slot, isOpen, onStored }) {
  const { busy, problem, store } = useStored(slot, onStored);
  const [chosen, setChosen] = useState(null);
  const set = async (moment) => {
    if (!(await store("gallery_open_until", moment?.toISOString() ?? null))) return;
    setChosen(null);
    toast(moment === null ? t("nowClosed") : t("nowOpen", { when: dateTime(moment) }));
  };
  const after = (hours) => () => set(new Date(Date.now() + hours * HOUR));
  const onSubmit = (event) => {
    event.preventDefault();
    if (chosen) set(new Date(chosen));
  };
  return html`
    <div class="row">
      <button type="button" class="button" disabled=${busy} onClick=${after(2)}>${t("openHours", { n: 2 })}</button>
      <button type="button" class="button" disabled=${busy} onClick=${after(6)}>${t("openHours", { n: 6 })}</button>
      <button type="button" class="button" disabled=${busy} onClick=${() => set(tomorrowMorning())}>${t("untilMorning")}</button>
      ${isOpen && html`<button type="button" class="button" disabled=${busy} onClick=${() => set(null)}><${Icon} name="close" /> ${t("closeNow")}</button>`}
    </div>
    <${NotStored} problem=${problem} field="gallery_open_until" />
    <form class="gallery-until" onSubmit=${onSubmit}>
      <${Field} id="gallery-until" label=${t("until")} error=${errorOf(problem, "gallery_open_until")} control=${(attributes) => html`<input ...${attributes} class="moment" type="datetime-local" value=${chosen ?? localText(slot.gallery_open_until)} onInput=${(event) => setChosen(event.target.value)} />`} />
      <button class="button" disabled=${busy || !chosen}>${t(isOpen ? "change" : "openThen")}</button>
    </form>
  `;
}

/** The title, which is set alone; rendered again when it has changed. */
function Title({ slot, onStored }) {
  const { busy, problem, store } = useStored(slot, onStored);
  const before = slot.gallery_title ?? "";
  const [title, setTitle] = useState(before);
  const onSubmit = async (event) => {
    event.preventDefault();
    if (await store("gallery_title", title.trim() || null)) toast(t("titleSet"));
  };
  return html`
    <form onSubmit=${onSubmit}>
      <${Field} id="gallery-title" label=${t("title")} help=${t("titleHelp")} error=${errorOf(problem, "gallery_title")} control=${(attributes) => html`
        <div class="with-button">
          <input ...${attributes} type="text" maxlength="120" placeholder=${slot.name} value=${title} onInput=${(event) => setTitle(event.target.value)} />
          <button class="button" disabled=${busy || title.trim() === before}>${t("setTitle")}</button>
        </div>`} />
    </form>
    <${NotStored} problem=${problem} field="gallery_title" />
  `;
}

/** 6:00 of the next day in the browser's time zone. */
function tomorrowMorning() {
  const moment = new Date();
  moment.setDate(moment.getDate() + 1);
  moment.setHours(6, 0, 0, 0);
  return moment;
}

/** A time as the value of a `datetime-local` input: local, without a zone. */
function localText(value) {
  if (value === null) return "";
  const moment = new Date(value);
  const shifted = new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}
