/* A window over the page, by the browser's own dialog: it keeps the focus inside and gives it back. */
import { html, useEffect, useRef } from "../lib/html.js";
import { say } from "../lib/language.js";
import words from "../i18n/common.js";
import { Icon } from "./icon.js";

const t = say(words);

/** Shown for as long as it is drawn. `onClose` is called by Escape and the cross; without it only the content ends it. */
export function Dialog({ title, onClose, wide, children }) {
  const element = useRef(null);
  useEffect(() => {
    const dialog = element.current;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  const onCancel = (event) => {
    event.preventDefault();
    onClose?.();
  };
  return html`
    <dialog ref=${element} class=${wide ? "dialog dialog-wide" : "dialog"} aria-label=${title} onCancel=${onCancel}>
      <header class="dialog-head">
        <h2>${title}</h2>
        ${onClose && html`<button type="button" class="button button-plain" aria-label=${t("close")} onClick=${onClose}><${Icon} name="close" /></button>`}
      </header>
      ${children}
    </dialog>
  `;
}

/** A question with two answers. `dangerous` marks an answer that cannot be taken back. */
export function Confirm({ title, text, yes, no, dangerous, onYes, onNo }) {
  return html`
    <${Dialog} title=${title} onClose=${onNo}>
      <p>${text}</p>
      <div class="actions">
        <button type="button" class="button" onClick=${onNo}>${no ?? t("cancel")}</button>
        <button type="button" class=${dangerous ? "button button-danger" : "button button-primary"} onClick=${onYes}>${yes}</button>
      </div>
    <//>
  `;
}
