/* A labelled control with its help and error, linked for screen readers. */
import { html } from "../lib/html.js";

let last = 0;

/** A unique element ID. */
export const newId = () => `field-${(last += 1)}`;

/** `control(attributes)` renders the input with the attributes that link it to its label, help and error. */
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
