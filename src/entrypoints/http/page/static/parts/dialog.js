/* A modal dialog, by the browser's own element: it keeps the focus inside and restores it. */
import { html, useEffect, useRef } from "../lib/html.js";
import { translator } from "../lib/language.js";
import words from "../i18n/common.js";
import { Icon } from "./icon.js";

const t = translator(words);

/**
 * Open while it is rendered. `onClose` is called by Escape and the close button; without it only the content closes it,
 * as long as a request runs whose outcome must be seen.
 */
export function Dialog({ title, onClose, wide, children }) {
  const element = useRef(null);
  useEffect(() => {
    const dialog = element.current;
    dialog.showModal();
    return () => {
      element.current = null;
      dialog.close();
    };
  }, []);
  const onCancel = (event) => {
    event.preventDefault();
    onClose?.();
  };
  // Browsers close a dialog at the second Escape in a row whatever the page says; not if the key was taken.
  const onKeyDown = (event) => event.key === "Escape" && !event.defaultPrevented && onCancel(event);
  const onClosed = () => {
    if (onClose) onClose();
    else if (element.current?.isConnected) element.current.showModal();
  };
  return html`
    <dialog ref=${element} class=${wide ? "dialog dialog-wide" : "dialog"} aria-label=${title} onCancel=${onCancel} onKeyDown=${onKeyDown} onClose=${onClosed}>
      <header class="dialog-head">
        <h2>${title}</h2>
        ${onClose && html`<button type="button" class="button button-plain" aria-label=${t("close")} onClick=${onClose}><${Icon} name="close" /></button>`}
      </header>
      ${children}
    </dialog>
  `;
}

/** A confirmation. `dangerous` marks an action that cannot be undone. */
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
