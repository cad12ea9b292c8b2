/* The evening at a glance: the last minutes of all slots, what waits, the providers, and the newest ready check. */
import { me } from "../../lib/api.js";
import { ago, duration, number, percent } from "../../lib/format.js";
import { html } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { slotIssueText } from "../../lib/messages.js";
import { Pill } from "../../parts/states.js";
import health from "../../i18n/settings_health.js";
import words from "../../i18n/slots.js";
import { jobsSince, settingsTab } from "./links.js";

const t = translator(words);
const h = translator(health);

const TONES = { working: "good", degraded: "warn", failing: "bad" };

/** `overview` is the answer of the API, `names` the names of providers. */
export function Strip({ overview, names }) {
  const { last_minutes: last, queue, providers, ready_check: check } = overview;
  const missed = [
    last.failed > 0 && [t("withoutPicture", { n: last.failed, count: number(last.failed) }), jobsSince(last.since, { result: "none" })],
    last.fallbacks > 0 && [t("withFallback", { n: last.fallbacks, count: number(last.fallbacks) }), jobsSince(last.since, { result: "fallback" })],
  ].filter(Boolean);
  return html`
    <dl class="card evening" aria-label=${t("evening")}>
      <${Figure} name=${t("photosLately")} value=${number(last.photos)} />
      <${Figure} name=${t("success")} value=${last.success_rate === null ? "–" : percent(last.success_rate)}>
        ${missed.map(([text, href]) => html`<${MaybeLink} key=${text} href=${href}>${text}<//>`)}
      <//>
      <${Figure} name=${t("median")} value=${duration(last.p50_ms)} />
      <${Figure} name=${t("waiting")} value=${number(queue.pending)}>${queue.processing > 0 && html`<span>${t("processing", { count: number(queue.processing) })}</span>`}<//>
      <div class="evening-providers">
        <dt>${t("providers")}</dt>
        <dd>${providers.length === 0 ? "–" : html`<ul>${providers.map((one) => html`<${Provider} key=${one.id} one=${one} names=${names} />`)}</ul>`}</dd>
      </div>
      <${Check} check=${check} />
    </dl>
  `;
}

function Figure({ name, value, children }) {
  return html`<div><dt>${name}</dt><dd><b>${value}</b> ${children}</dd></div>`;
}

const MaybeLink = ({ href, children }) => (href === null ? html`<span>${children}</span>` : html`<a href=${href}>${children}</a>`);

function Provider({ one, names }) {
  const { reason, state } = one;
  const pill = reason !== null ? ["bad", t.of("why", reason.code)] : state !== "unknown" ? [TONES[state] ?? "mute", h.of("provider", state)] : null;
  return html`<li title=${reason === null ? undefined : slotIssueText(reason, names)}><a href=${settingsTab("health")}><span>${names.provider(one.id)}</span> ${pill && html`<${Pill} tone=${pill[0]}>${pill[1]}<//>`}</a></li>`;
}

function Check({ check }) {
  const may = me.get().permissions.includes("slots:write");
  const text = check === null ? t("neverChecked") : check.ready ? t("allReady") : check.slots_not_ready === 0 ? t("noneActive") : t("notReady", { n: check.slots_not_ready, count: number(check.slots_not_ready) });
  const tone = check === null ? "mute" : check.ready ? "good" : "bad";
  const content = html`<${Pill} tone=${tone}>${text}<//>`;
  return html`
    <div class="evening-check">
      <dt>${t("readyCheck")}</dt>
      <dd>${may ? html`<a href=${settingsTab("ready")}>${content}</a>` : content} ${check !== null && html`<span>${ago(check.at)}</span>`}</dd>
    </div>
  `;
}
