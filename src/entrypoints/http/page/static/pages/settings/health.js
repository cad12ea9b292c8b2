/* Health of the service: parts, queue, workers, providers, storage, recent failures, problems to fix. */
import { get, me } from "../../lib/api.js";
import { ago, dateTime, number, percent, timeExact } from "../../lib/format.js";
import { html } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { failureText } from "../../lib/messages.js";
import { useInterval, useLoad } from "../../lib/load.js";
import { to } from "../../lib/route.js";
import { Icon } from "../../parts/icon.js";
import { useProviderNames } from "../../parts/provider_names.js";
import { useSlots } from "../../parts/slot_names.js";
import { Loading, Pill, ErrorNotice } from "../../parts/states.js";
import words from "../../i18n/settings_health.js";
import { findingText } from "./findings.js";
import { Room } from "./storage.js";

const t = translator(words);
const REFRESH_MS = 5_000;

export function Health() {
  const { data, problem, again } = useLoad((signal) => get("/api/status", { signal }));
  useInterval(REFRESH_MS, again);
  const names = useProviderNames();
  if (data === null) return problem ? html`<${ErrorNotice} problem=${problem} again=${again} />` : html`<${Loading} />`;
  const findings = data.findings.map((one) => findingText(one, names));
  const failed = findings.filter((one) => one.fix !== null);
  return html`
    <div class="stack health">
      ${problem && html`<${ErrorNotice} problem=${problem} again=${again} />`}
      <section class="card">
        <div class="row row-apart">
          <h2>${t("parts")}</h2>
          <p class="soft">${t("seenAt", { version: data.version, time: timeExact(data.at) })}</p>
        </div>
        <ul class="health-parts">${Object.entries(data.parts).map(([name, part]) => html`<${Part} key=${name} name=${name} part=${part} />`)}</ul>
      </section>
      ${failed.length > 0 && html`
        <section class="card">
          <h2>${t("toFix", { n: failed.length })}</h2>
          <ul class="health-findings">${failed.map((one, index) => html`<li key=${index} lang=${one.lang}><${Icon} name="alert" /><p>${one.part && html`<strong>${one.part}</strong>: `}${one.says} <span class="soft">${one.fix}</span></p></li>`)}</ul>
        </section>
      `}
      <div class="grid health-grid">
        <section class="card"><h2>${t("queue")}</h2><${Queue} queue=${data.queue} /></section>
        <section class="card"><h2>${t("room")}</h2><${Room} disk=${data.disk} /></section>
        <section class="card"><h2>${t("workers")}</h2><${Workers} workers=${data.workers} /></section>
      </div>
      ${data.providers.length > 0 && html`<section class="card"><h2>${t("providers")}</h2><${Providers} providers=${data.providers} /></section>`}
      <section class="card"><h2>${t("failures")}</h2><${Failures} failures=${data.last_failures} /></section>
      <${HealthyParts} findings=${findings.filter((one) => one.fix === null)} />
    </div>
  `;
}

function Part({ name, part }) {
  return html`
    <li>
      <${Pill} tone=${part.ok ? "good" : "bad"}>${t.of("part", name)}: ${part.ok ? t("works") : t("broken")}<//>
      ${!part.ok && html`<span>${t.has(`why_${part.code}`) ? t.of("why", part.code) : failureText(part.code, part.detail)}</span>`}
    </li>
  `;
}

function Queue({ queue }) {
  const by = Object.entries(queue.by_provider);
  const names = useProviderNames();
  return html`
    <dl class="figures">
      <div><dt>${t("pending")}</dt><dd>${number(queue.pending)}</dd></div>
      <div><dt>${t("processing")}</dt><dd>${number(queue.processing)}</dd></div>
    </dl>
    ${by.length > 0 && html`<p class="soft">${by.map(([id, n]) => `${names.provider(id)}: ${number(n)}`).join(", ")}</p>`}
  `;
}

function Workers({ workers }) {
  if (workers.length === 0) return html`<p>${t("noWorkers")}</p>`;
  return html`
    <ul class="health-list">
      ${workers.map((one) => html`
        <li key=${one.name}>
          <span class="row row-apart"><strong>${one.host}</strong><${Pill} tone=${one.silent ? "bad" : "good"}>${one.silent ? t("silent") : t("working")}<//></span>
          <span class="soft">${t("busy", { running: number(one.running), concurrency: number(one.concurrency) })} · ${t("pid", { pid: one.pid })} · ${one.version} · ${t("heard", { ago: since(one.age_seconds) })}</span>
        </li>
      `)}
    </ul>
  `;
}

/** Ages come from the service's clock: the browser's may differ. */
const since = (seconds) => ago(Date.now() - seconds * 1000);

const PROVIDER_TONES = { working: "good", degraded: "warn", failing: "bad" };

const breakerText = ({ breaker, open_until: until }) => t.of("breaker", breaker, { time: until === null ? "–" : timeExact(until) });

function Providers({ providers }) {
  const names = useProviderNames();
  return html`
    <table class="table-cards">
      <thead><tr><th scope="col">${t("provider")}</th><th scope="col">${t("state")}</th><th scope="col" class="figure">${t("health")}</th><th scope="col" class="figure">${t("lastMinute")}</th><th scope="col" class="figure">${t("today")}</th></tr></thead>
      <tbody>
        ${providers.map((one) => html`
          <tr key=${one.id}>
            <th scope="row">${names.provider(one.id)}</th>
            <td><${Pill} tone=${PROVIDER_TONES[one.state] ?? "mute"}>${t.of("provider", one.state)}<//>
              <p class="soft">${[one.last_calls > 0 && t("lastCalls", { n: one.last_calls, good: one.last_pictures }), one.breaker !== "closed" && breakerText(one)].filter(Boolean).join(" · ")}</p></td>
            <td class="figure" data-label=${t("health")}>${one.health === null ? "–" : percent(one.health)}</td>
            <td class="figure" data-label=${t("lastMinute")}>${number(one.calls_last_minute)}</td>
            <td class="figure" data-label=${t("today")}>${number(one.calls_today)}</td>
          </tr>
        `)}
      </tbody>
    </table>
  `;
}

function Failures({ failures }) {
  if (failures.length === 0) return html`<p class="soft">${t("noFailures")}</p>`;
  const may = me.get().permissions.includes("jobs:read");
  const names = useProviderNames();
  const slots = useSlots();
  return html`
    <ul class="health-list">
      ${failures.map((one) => html`
        <li key=${one.job_id} class="row row-apart">
          <span><strong>${slots.find((slot) => slot.id === one.slot_id)?.name ?? one.slot_id}</strong> · ${failureText(one.code)}${one.provider_id && ` · ${names.provider(one.provider_id)}`}</span>
          <span><time class="soft" dateTime=${one.ended_at} title=${dateTime(one.ended_at)}>${since(one.age_seconds)}</time>${may && html` <a href=${to("jobs", one.job_id)}>${t("job")}<span class="unseen"> ${one.job_id}</span></a>`}</span>
        </li>
      `)}
    </ul>
  `;
}

function HealthyParts({ findings }) {
  if (findings.length === 0) return null;
  return html`
    <details class="card health-fine">
      <summary>${t("fine", { n: findings.length })}</summary>
      <ul class="health-list">${findings.map((one, index) => html`<li key=${index} lang=${one.lang}>${one.part && `${one.part}: `}${one.says}</li>`)}</ul>
    </details>
  `;
}
