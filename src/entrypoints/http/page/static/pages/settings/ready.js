/* The readiness check before an event: a reference photo through every active slot. */
import { Problem, requestLines } from "../../lib/api.js";
import { dateTime, duration, number } from "../../lib/format.js";
import { html } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { attemptText, failureText } from "../../lib/messages.js";
import { to } from "../../lib/route.js";
import { store, useStore } from "../../lib/store.js";
import { Icon } from "../../parts/icon.js";
import { useProviderNames } from "../../parts/provider_names.js";
import { Reason } from "../../parts/reason.js";
import { Empty, Pill, ErrorNotice } from "../../parts/states.js";
import { providerText } from "../../i18n/providers.js";
import words from "../../i18n/settings_ready.js";

const t = translator(words);

const TONES = { picture: "good", fallback: "warn", failed: "bad", not_run: "mute" };

/** The last check of this visit; it survives a change of tabs. */
const check = store(null);
let control = null;

async function start() {
  control = new AbortController();
  let now = { at: null, end: null, slots: [], found: {}, running: true, problem: null };
  check.set(now);
  const put = (changes) => check.set((now = { ...now, ...changes }));
  try {
    await requestLines("POST", "/api/ready-check", (line) => {
      if (line.kind === "begin") put({ at: line.at, slots: line.slots });
      if (line.kind === "slot") put({ found: { ...now.found, [line.slot_id]: line } });
      if (line.kind === "end") put({ end: line });
    }, { signal: control.signal });
    put({ running: false });
  } catch (error) {
    put({ running: false, problem: error instanceof Problem ? error : null });
    if (!(error instanceof Problem) && error.name !== "AbortError") throw error;
  }
}

export function Ready() {
  const now = useStore(check);
  const done = now ? Object.keys(now.found).length : 0;
  return html`
    <section class="stack ready">
      <div class="ready-head">
        <p class="ready-help">${t("help")}</p>
        <div class="row ready-ways">
          ${now?.running
            ? html`<button type="button" class="button" onClick=${() => control.abort()}><${Icon} name="close" /> ${t("stop")}</button>`
            : html`<button type="button" class="button button-primary" onClick=${start}><${Icon} name="play" /> ${t(now ? "again" : "start")}</button>`}
          ${now?.end && html`<button type="button" class="button" onClick=${() => print()}><${Icon} name="download" /> ${t("print")}</button>`}
        </div>
      </div>
      ${now?.problem && html`<${ErrorNotice} problem=${now.problem} />`}
      ${now?.running && html`
        <div class="ready-progress">
          <p role="status">${now.slots.length ? t("progress", { done: number(done), all: number(now.slots.length) }) : t("begins")}</p>
          <progress aria-label=${t("tab")} max=${now.slots.length || 1} value=${done}></progress>
        </div>
      `}
      ${now && !now.running && !now.end && !now.problem && html`<p class="notice">${t("stopped")}</p>`}
      ${now?.end && html`<${Verdict} now=${now} />`}
      ${now === null
        ? html`<${Empty} icon="photo">${t("never")}<//>`
        : now.end && now.slots.length === 0
          ? html`<${Empty} icon="slots">${t("noActive")}<//>`
          : now.slots.length > 0 && html`<${Slots} now=${now} />`}
      ${now?.end?.providers?.length > 0 && html`<${Quotas} providers=${now.end.providers} slots=${now.slots} />`}
    </section>
  `;
}

function Verdict({ now }) {
  const { ready, slots_ready: good, slots_not_ready: bad, at } = now.end;
  return html`
    <p class=${ready ? "ready-verdict ready-good" : "ready-verdict ready-bad"} role="status">
      <${Icon} name=${ready ? "check" : "alert"} size=${28} />
      <span><strong>${ready ? t("allReady", { n: good }) : t("notReady", { n: bad })}</strong> <span>${t("checkedAt", { when: dateTime(at) })}</span></span>
    </p>
  `;
}

function Slots({ now }) {
  return html`
    <table class="card table-cards">
      <thead><tr><th scope="col">${t("slot")}</th><th scope="col">${t("outcome")}</th><th scope="col" class="figure">${t("latency")}</th><th scope="col">${t("provider")}</th><th scope="col">${t("reason")}</th></tr></thead>
      <tbody>${now.slots.map((slot) => html`<${SlotRow} key=${slot.slot_id} slot=${slot} found=${now.found[slot.slot_id]} running=${now.running} />`)}</tbody>
    </table>
  `;
}

function SlotRow({ slot, found, running }) {
  const names = useProviderNames();
  const name = html`<th scope="row"><a href=${to("slots", slot.slot_id)}>${slot.name}</a> <span class="soft">${slot.slot_id}</span></th>`;
  if (!found) return html`<tr>${name}<td colspan="4" class="soft">${running ? t("waiting") : t("notTried")}</td></tr>`;
  const by = found.provider_id && names.both(found.provider_id, found.operation_id);
  return html`
    <tr>
      ${name}
      <td><${Pill} tone=${TONES[found.outcome] ?? "mute"}>${t.of("outcome", found.outcome)}<//></td>
      <td class="figure" data-label=${t("latency")}>${duration(found.latency_ms)}</td>
      <td data-label=${t("provider")}>${by || "–"}${found.entry > 0 && html` <span class="soft">${t("fallbackEntry", { n: found.entry + 1 })}</span>`}${found.calls > 1 && html` <span class="soft">${t("calls", { n: found.calls })}</span>`}</td>
      <td class="ready-reason" data-label=${t("reason")}>
        ${found.code ? html`<span>${failureText(found.code, found.detail)}</span>` : found.troubles.length === 0 && "–"}
        ${found.troubles.length > 0 && html`<ul class="ready-attempts">${found.troubles.map((one, index) => html`<li key=${index}>${names.provider(one.provider_id)}: ${attemptText(one.classification)} <${Reason} attempt=${one} /></li>`)}</ul>`}
        ${found.job_id && !found.ready && html` <a href=${to("jobs", found.job_id)}>${t("job")}</a>`}
      </td>
    </tr>
  `;
}

const KEY_TONES = { stored: "good", environment: "good", not_needed: "good", missing: "bad", unreadable: "bad" };

function Quotas({ providers, slots }) {
  const left = (value) => (value === null ? t("noLimit") : number(value));
  return html`
    <div>
      <h2 class="ready-quotas">${t("quotas")}</h2>
      <table class="card table-cards">
        <thead><tr><th scope="col">${t("provider")}</th><th scope="col">${t("key")}</th><th scope="col" class="figure">${t("leftMinute")}</th><th scope="col" class="figure">${t("leftToday")}</th><th scope="col">${t("usedBy")}</th></tr></thead>
        <tbody>
          ${providers.map((one) => html`
            <tr key=${one.id}>
              <th scope="row">${providerText(one.title)}</th>
              <td><${Pill} tone=${KEY_TONES[one.key.state] ?? "mute"}>${t.of("key", one.key.state)}<//></td>
              <td class="figure" data-label=${t("leftMinute")}>${left(one.left_this_minute)}</td>
              <td class="figure" data-label=${t("leftToday")}>${left(one.left_today)}</td>
              <td data-label=${t("usedBy")}>${one.slots.map((id) => slots.find((slot) => slot.slot_id === id)?.name ?? id).join(", ")}</td>
            </tr>
          `)}
        </tbody>
      </table>
    </div>
  `;
}
