/* Confirmation before leaving a page with unsaved changes. */
import { html, useEffect, useState } from "../lib/html.js";
import { translator } from "../lib/language.js";
import { guardLeaving } from "../lib/route.js";
import words from "../i18n/common.js";
import { Confirm } from "./dialog.js";

const t = translator(words);

/** Prevents leaving the page while `changed`, unless the user discards the changes. */
export function UnsavedGuard({ changed }) {
  const [answer, setAnswer] = useState(null);
  useEffect(() => {
    if (!changed) return undefined;
    return guardLeaving(() => new Promise((resolve) => setAnswer(() => resolve)));
  }, [changed]);
  if (answer === null) return null;
  const decide = (leaves) => {
    setAnswer(null);
    answer(leaves);
  };
  return html`<${Confirm} title=${t("unsavedTitle")} text=${t("unsavedText")} yes=${t("discard")} no=${t("stay")} dangerous=${true} onYes=${() => decide(true)} onNo=${() => decide(false)} />`;
}
