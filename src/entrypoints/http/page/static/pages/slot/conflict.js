/* Conflict with another user's change: asks only about what both changed. */
import { html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { findOperation } from "../../lib/providers.js";
import { Dialog } from "../../parts/dialog.js";
import { providerText } from "../../i18n/providers.js";
import words from "../../i18n/slot.js";
import { described } from "./configuration.js";
import { valueAt } from "./merge.js";

const t = translator(words);

/** `conflicts` are paths in the documents `mine` and `theirs`; `onSave(paths)` receives those where theirs is kept. */
export function Conflict({ conflicts, mine, theirs, providers, busy, onSave, onClose }) {
  const [choices, setChoices] = useState({});
  const left = conflicts.filter((path) => choices[path] === undefined).length;
  const onSubmit = (event) => {
    event.preventDefault();
    onSave(conflicts.filter((path) => choices[path] === "theirs"));
  };
  return html`
    <${Dialog} title=${t("conflictTitle")} wide onClose=${busy ? undefined : onClose}>
      <form class="stack" onSubmit=${onSubmit}>
        <p>${t("conflictText")}</p>
        ${conflicts.map((path) => html`
          <fieldset key=${path} class="conflict">
            <legend>${labelOf(path, mine, providers)}</legend>
            ${[["mine", mine], ["theirs", theirs]].map(([side, document]) => html`
              <label key=${side} class="choice">
                <input type="radio" name=${`conflict-${path}`} checked=${choices[path] === side} onChange=${() => setChoices({ ...choices, [path]: side })} />
                <span><b>${t(side)}</b>${linesOf(path, valueAt(document, path), providers).map((line) => html`<small key=${line} class="line">${line}</small>`)}</span>
              </label>
            `)}
          </fieldset>
        `)}
        <div class="actions">
          <button type="button" class="button" disabled=${busy} onClick=${onClose}>${t("goOnEditing")}</button>
          <button class="button button-primary" disabled=${busy || left > 0}>${t("saveChosen")}</button>
        </div>
      </form>
    <//>
  `;
}

/** The name of the field at a path: of a document, or of a setting of a step. */
export function labelOf(path, document, providers) {
  if (path.length === 1) return t.of("field", path[0]);
  const setting = path.at(-1);
  const entry = path[0] === "route" ? document.route[path[1]] : null;
  const rule = entry && findOperation(providers, entry).operation?.settings_schema.properties?.[setting];
  return entry ? `${t("step", { n: path[1] + 1 })} · ${providerText(rule?.title ?? setting)}` : setting;
}

function linesOf(path, value, providers) {
  if (path.length === 1) return described(path[0], value, providers);
  if (value === undefined || value === null || value === "") return [t("notSet")];
  return [typeof value === "boolean" ? t(value ? "yes" : "no") : typeof value === "string" ? providerText(value) : JSON.stringify(value)];
}
