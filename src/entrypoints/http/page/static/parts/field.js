/* A labelled control with its help and what is wrong with it, tied together for screen readers. */
import { html } from "../lib/html.js";

let last = 0;

/** An id that no other element has. */
export const newId = () => `field-${(last += 1)}`;

/** `control(attributes)` draws the input with the attributes that tie it to its label, help and error. */
export function Field({ id, label, help, error, control }) {
  const described = [help && `${id}-help`, error && `${id}-error`].filter(Boolean).join(" ");
  const attributes = { id, "aria-describedby": described || undefined, "aria-invalid": error ? "true" : undefined };
  return html`
    <div class=${error ? "field field-wrong" : "field"}>
      <label for=${id}>${label}</label>
      ${control(attributes)}
      ${help && html`<p class="help" id=${`${id}-help`}>${help}</p>`}
      ${error && html`<p class="error" id=${`${id}-error`}>${error}</p>`}
    </div>
  `;
}
