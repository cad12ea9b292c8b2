/* The input of a setting that is a mapping, such as further headers: a line for each name. */
import { html, useEffect, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { pairsOf, pairsText } from "../../lib/pairs.js";
import words from "../../i18n/pairs.js";

const t = translator(words);

/** `onChange` receives the mapping with each key press; what is typed stays as it is typed. */
export function Pairs({ attributes, rule, shown, onChange }) {
  const typed = rule.additionalProperties?.type !== "string";
  const [text, setText] = useState(pairsText(shown, typed));
  const stored = JSON.stringify(shown);
  useEffect(() => {
    if (JSON.stringify(pairsOf(text, typed)) !== stored) setText(pairsText(shown, typed));
  }, [stored]);
  const onInput = (event) => {
    setText(event.target.value);
    onChange(pairsOf(event.target.value, typed));
  };
  return html`<textarea ...${attributes} rows="3" spellcheck=${false} placeholder=${t("example")} value=${text} onInput=${onInput}></textarea>`;
}
