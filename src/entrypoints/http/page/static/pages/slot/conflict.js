/* Conflict with another user's change: both versions field by field, and the choice between them. */
import { html } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { Dialog } from "../../parts/dialog.js";
import words from "../../i18n/slot.js";
import { described } from "./configuration.js";

const t = translator(words);

export function Conflict({ fields, mine, theirs, providers, onMine, onTheirs, onClose }) {
  const lines = (name, version) => described(name, version[name], providers).map((line) => html`<span key=${line} class="line">${line}</span>`);
  return html`
    <${Dialog} title=${t("conflictTitle")} wide onClose=${onClose}>
      <p>${fields.length ? t("conflictText") : t("conflictSame")}</p>
      <div class="scroll" tabindex="0" role="region" aria-label=${t("conflictTitle")}>
        <table class="conflict">
          <thead><tr><th scope="col">${t("field")}</th><th scope="col">${t("mine")}</th><th scope="col">${t("theirs")}</th></tr></thead>
          <tbody>${fields.map((name) => html`<tr key=${name}><th scope="row">${t(`field_${name}`)}</th><td>${lines(name, mine)}</td><td>${lines(name, theirs)}</td></tr>`)}</tbody>
        </table>
      </div>
      <div class="actions">
        <button type="button" class="button" onClick=${onTheirs}>${t("takeTheirs")}</button>
        <button type="button" class="button button-primary" onClick=${onMine}>${t("keepMine")}</button>
      </div>
    <//>
  `;
}
