/* The last request of a camera as received, and how to fix it. It never contains the password. */
import { get } from "../../lib/api.js";
import { ago, bytes, dateTimeExact } from "../../lib/format.js";
import { html, useEffect } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { useInterval, useLoad } from "../../lib/load.js";
import { to } from "../../lib/route.js";
import { useLiveReload } from "../../lib/live_reload.js";
import { Icon } from "../../parts/icon.js";
import { Empty, Loading, Pill, ErrorNotice } from "../../parts/states.js";
import words from "../../i18n/connect.js";

const t = translator(words);
// A refused request makes no event, so it is polled while the tab is shown.
const LOOK_MS = 3000;

export function LastRequest({ id, isShown }) {
  const { data, problem, again } = useLoad((signal) => get(`/api/slots/${id}/last-request`, { signal }), [id]);
  useLiveReload((event) => isShown && event.slot_id === id && event.source === "ingest", again);
  useInterval(LOOK_MS, () => isShown && again());
  useEffect(() => {
    if (isShown) again();
  }, [isShown]);
  return html`
    <section class="card stack" aria-label=${t("lastRequest")}>
      <div><h2>${t("lastRequest")}</h2><p class="soft">${t("lastRequestHelp")}</p></div>
      ${problem && html`<${ErrorNotice} problem=${problem} again=${again} />`}
      ${data === null && !problem && html`<${Loading} />`}
      ${data && (data.request === null ? html`<${Empty} icon="clock">${t("noRequest")}<//>` : html`<${Seen} seen=${data.request} />`)}
    </section>
  `;
}

function Seen({ seen }) {
  const status = seen.status === null ? t("gone") : `${seen.status}${seen.code ? ` ${seen.code}` : ""}`;
  const good = seen.status !== null && seen.status < 300;
  return html`
    <p class="row"><${Pill} tone=${good ? "good" : "bad"}>${status}<//><span>${ago(seen.received_at)} <span class="soft">${dateTimeExact(seen.received_at)}</span></span></p>
    ${seen.findings.length > 0 && html`<div class="findings"><h3><${Icon} name="alert" /> ${t("toFix")}</h3><ul>${seen.findings.map((finding) => html`<li key=${finding.code}>${findingText(finding)}</li>`)}</ul></div>`}
    <dl class="facts">
      <dt>${t("from")}</dt><dd><code>${seen.address}</code></dd>
      <dt>${t("request")}</dt><dd><code>${seen.method}</code>${seen.content_type && html`, <code>${seen.content_type}</code>`}</dd>
      <dt>${t("password")}</dt><dd>${t.of("password", seen.password ?? "unknown")}</dd>
      <dt>${t("photo")}</dt><dd>${seen.file ? html`<code>${seen.file.field}</code>: ${seen.file.filename ?? t("noName")}, ${seen.file.size_bytes === 0 && !seen.complete ? t("notRead") : `${bytes(seen.file.size_bytes)}, ${seen.file.sniffed_type ?? t("noPicture")}`}` : t("noPhoto")}</dd>
      ${!seen.complete && html`<dt>${t("end")}</dt><dd>${t("incomplete")}</dd>`}
      ${seen.job_id && html`<dt>${t("job")}</dt><dd><a href=${to("jobs", seen.job_id)}>${seen.job_id}</a></dd>`}
    </dl>
    <${Values} title=${t("fields", { n: seen.field_count })} values=${seen.fields} />
    <${Values} title=${t("headers", { n: seen.headers.length })} values=${seen.headers} />
  `;
}

/** The finding in the current language, or the API's sentence if its code is unknown. */
const findingText = ({ code, detail, params }) => (t.has(`finding_${code}`) ? t.of("finding", code, params) : detail);

function Values({ title, values }) {
  if (values.length === 0) return null;
  return html`
    <details class="values">
      <summary>${title}</summary>
      <dl class="facts">${values.map(({ name, value }, place) => html`<dt key=${`${place}n`}><code>${name}</code></dt><dd key=${`${place}v`}>${value ?? html`<span class="soft">${t("hidden")}</span>`}</dd>`)}</dl>
    </details>
  `;
}
