/* The ingest password of one slot: write-only, in place of the general one. */
import { html } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { Field } from "../../parts/field.js";
import { Pill } from "../../parts/states.js";
import words from "../../i18n/slot_password.js";

const t = translator(words);

/** `value` is the draft's: a new password, null to remove the stored one, undefined to keep it. */
export function CameraPassword({ isSet, value, error, onChange }) {
  const input = (attributes) =>
    html`<input ...${attributes} type="text" autocomplete="off" spellcheck=${false} maxlength="1024" value=${value ?? ""} onInput=${(event) => onChange(event.target.value || undefined)} />`;
  return html`
    <section class="card stack">
      <div class="row row-apart"><h2>${t("title")}</h2><${Pill} tone=${isSet ? "good" : "mute"}>${t(isSet ? "own" : "general")}<//></div>
      <p class="soft">${t("help")}</p>
      <${Field} id="slot-password" label=${t("newPassword")} help=${t("inputHelp")} error=${error} control=${input} />
      ${value === null && html`<p class="notice">${t("removed")}</p>`}
      ${isSet && html`<div class="row"><button type="button" class="button" onClick=${() => onChange(value === null ? undefined : null)}>${t(value === null ? "keep" : "remove")}</button></div>`}
    </section>
  `;
}

/** What the draft does with the password, in words; never the password. */
export function describedPassword(value) {
  if (value === undefined) return t("unchanged");
  return t(value === null ? "removedValue" : "newValue");
}
