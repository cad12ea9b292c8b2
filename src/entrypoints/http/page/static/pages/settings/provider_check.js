/* The last check of a provider's service, and a button for a new one. */
import { Problem, request } from "../../lib/api.js";
import { calendarDay, dateTime } from "../../lib/format.js";
import { html, useEffect, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { problemText } from "../../lib/messages.js";
import { Icon } from "../../parts/icon.js";
import { Pill } from "../../parts/states.js";
import { providerText } from "../../i18n/providers.js";
import words from "../../i18n/settings_secrets.js";

const t = translator(words);

/** `first`: an object that starts a check whenever it is a new one; null starts none. */
export function Check({ one, may, first, onChecked }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  const check = async () => {
    setBusy(true);
    setProblem(null);
    try {
      await request("POST", `/api/providers/${encodeURIComponent(one.id)}/check`);
      onChecked();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  useEffect(() => {
    if (first !== null) check();
  }, [first]);
  return html`
    <div class="provider-check" aria-live="polite">
      ${busy ? html`<${Pill} tone="busy">${t("checking")}<//>` : html`<${Result} one=${one} />`}
      ${problem && html`<p class="error" role="alert">${problemText(problem)}</p>`}
      ${may && html`<button type="button" class="button" disabled=${busy} aria-label=${`${t("check")}: ${providerText(one.title)}`} onClick=${check}><${Icon} name="refresh" /> ${t("check")}</button>`}
    </div>
  `;
}

function Result({ one }) {
  const { check, key } = one;
  if (check === null) return html`<p class="soft">${t("notChecked")}</p>`;
  if (key.changed_at !== null && new Date(key.changed_at) > new Date(check.checked_at)) return html`<p class="soft">${t("notCheckedSince")}</p>`;
  const known = check.findings.length === 0 && check.models.length > 0;
  const tone = !check.works ? "bad" : check.findings.some((finding) => finding.code === "model_deprecated") ? "warn" : "good";
  const said = !check.works ? t("checkFails") : tone === "warn" ? t("checkWorksYet") : known ? t("checkWorksModel", { models: check.models.join(", ") }) : t("checkWorks");
  return html`
    <${Pill} tone=${tone}>${said}<//>
    ${check.findings.map((finding, index) => html`<${Finding} key=${index} finding=${finding} />`)}
    <p class="soft">${t("checkedAt", { when: dateTime(check.checked_at) })}</p>
  `;
}


/** Codes whose cause is in the words of the service, which are English. */
const WITH_DETAIL = ["not_configured", "unreachable", "failed", "broken", "quota_exhausted"];

function Finding({ finding }) {
  const { code, detail, params } = finding;
  const known = Object.hasOwn(words.en, `finding_${code}`);
  if (!known) return html`<p lang="en">${detail}</p>`;
  const more = [
    params.retires_on && code === "model_deprecated" && t("endsOn", { date: calendarDay(params.retires_on) }),
    params.replacement && t("useInstead", { replacement: params.replacement }),
  ].filter(Boolean);
  return html`
    <p>${t(`finding_${code}`, params)}</p>
    ${more.length > 0 && html`<p>${more.join(" · ")}</p>`}
    ${WITH_DETAIL.includes(code) && html`<p class="soft" lang="en">${detail}</p>`}
  `;
}
