/* A long text that usually comes from a file: shown as text, and loaded from a file, which must not be longer than allowed. */
import { bytes } from "../../lib/format.js";
import { html, useRef, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { Icon } from "../../parts/icon.js";
import words from "../../i18n/slot.js";

const t = translator(words);

export function FileText({ attributes, label, mime, most, text, onText }) {
  const input = useRef();
  const [wrong, setWrong] = useState("");
  const load = async (file) => {
    setWrong("");
    if (file.size > most) {
      setWrong(t("fileTooLarge", { most: bytes(most) }));
      return;
    }
    try {
      onText(await file.text());
    } catch {
      setWrong(t("fileUnreadable"));
    }
  };
  const onPick = (event) => {
    const file = event.target.files[0];
    event.target.value = ""; // so that the same file can be loaded again after a change
    if (file) load(file);
  };
  return html`
    <textarea ...${attributes} class="file-text" rows="6" maxlength=${most} spellcheck=${false} value=${text} onInput=${(event) => onText(event.target.value)}></textarea>
    <div class="row">
      <button type="button" class="button" onClick=${() => input.current.click()}><${Icon} name="plus" /> ${t("loadFile")}</button>
      <input ref=${input} class="unseen" type="file" accept=${`${mime},.json`} tabindex="-1" aria-label=${t("loadFileFor", { label })} onChange=${onPick} />
    </div>
    ${wrong && html`<p class="error" role="alert">${wrong}</p>`}
  `;
}
