/* The question before somebody leaves a page with changes that are not saved. */
import { html, useEffect, useState } from "../lib/html.js";
import { say } from "../lib/language.js";
import { guardLeaving } from "../lib/route.js";
import words from "../i18n/common.js";
import { Confirm } from "./dialog.js";

const t = say(words);

/** Keeps the page while `changed`, unless somebody says that the changes may go. */
export function KeepUnsaved({ changed }) {
  const [answer, setAnswer] = useState(null);
  useEffect(() => {
    if (!changed) return undefined;
    return guardLeaving(() => new Promise((resolve) => setAnswer(() => resolve)));
  }, [changed]);
  if (answer === null) return null;
  const say = (leaves) => {
    setAnswer(null);
    answer(leaves);
  };
  return html`<${Confirm} title=${t("unsavedTitle")} text=${t("unsavedText")} yes=${t("discard")} no=${t("stay")} dangerous=${true} onYes=${() => say(true)} onNo=${() => say(false)} />`;
}
