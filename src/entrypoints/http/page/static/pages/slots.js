/* The slots on an evening: all of them at a glance, and each with its last photo, its state and its day, live. */
import { get } from "../lib/api.js";
import { ago, number } from "../lib/format.js";
import { html, useEffect, useRef, useState } from "../lib/html.js";
import { language, translator } from "../lib/language.js";
import { slotIssueText } from "../lib/messages.js";
import { useInterval, useLoad } from "../lib/load.js";
import { savePreference, readPreference } from "../lib/preferences.js";
import { useLiveReload } from "../lib/live_reload.js";
import { useProviderNames } from "../parts/provider_names.js";
import { Empty, Loading, ErrorNotice } from "../parts/states.js";
import common from "../i18n/common.js";
import jobs from "../i18n/jobs.js";
import words from "../i18n/slots.js";
import { Card } from "./slots/card.js";
import { jobsSince, ofReason } from "./slots/links.js";
import { ORDERS, chosen } from "./slots/order.js";
import { Strip } from "./slots/strip.js";

const t = translator(words);
const c = translator(common);
const j = translator(jobs);

/** Cards shown at first, and added when the end of the list is reached. */
const SOME = 48;
/** The last minutes pass also while nothing happens. */
const REREAD_MS = 15_000;

const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

export default function Slots() {
  const { data, problem, again } = useLoad((signal) => get("/api/overview", { query: { tz: zone() }, signal }));
  useLiveReload(() => true, again);
  useInterval(REREAD_MS, again);
  const names = useProviderNames();
  const [search, setSearch] = useState("");
  const [activeOnly, setActiveOnly] = useState(readPreference("slots.active") === "yes");
  const [order, setOrder] = useState(ORDERS.includes(readPreference("slots.order")) ? readPreference("slots.order") : ORDERS[0]);
  const onActiveOnly = (event) => {
    savePreference("slots.active", event.target.checked ? "yes" : "no");
    setActiveOnly(event.target.checked);
  };
  const onOrder = (event) => {
    savePreference("slots.order", event.target.value);
    setOrder(event.target.value);
  };
  const slots = data?.items ?? [];
  const active = slots.filter((slot) => slot.active).length;
  const views = chosen(slots.map((slot) => ({ slot, does: whatItDoes(slot, names) })), { search, activeOnly, order });
  return html`
    <div class="page-head">
      <div><h1>${t("title")}</h1>${data && html`<p class="soft">${t("summary", { active: number(active), all: number(slots.length) })}</p>`}</div>
      <div class="slots-find">
        <input type="search" aria-label=${t("search")} placeholder=${t("searchHint")} value=${search} onInput=${(event) => setSearch(event.target.value)} />
        <select aria-label=${t("order")} value=${order} onChange=${onOrder}>${ORDERS.map((name) => html`<option key=${name} value=${name}>${t(`order_${name}`)}</option>`)}</select>
        <label class="check"><input type="checkbox" checked=${activeOnly} onChange=${onActiveOnly} /> ${t("activeOnly")}</label>
      </div>
    </div>
    ${problem && html`<${ErrorNotice} problem=${problem} again=${again} />`}
    ${data === null && !problem && html`<${Loading} />`}
    ${data !== null && html`<${Strip} overview=${data} names=${names} />`}
    ${data !== null && views.length === 0 && html`<${Empty} icon="slots">${t("nothingFits")}<//>`}
    ${data !== null && html`<${Cards} key=${`${search} ${activeOnly} ${order}`} views=${views} since=${data.last_minutes.since} names=${names} again=${again} />`}
  `;
}

/** The first of these cards; more when the user gets to their end. */
function Cards({ views, since, names, again }) {
  const [count, setCount] = useState(SOME);
  const end = useRef(null);
  const isMore = views.length > count;
  const more = () => setCount((before) => before + SOME);
  useEffect(() => {
    if (!isMore) return undefined;
    const watch = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && more(), { rootMargin: "600px" });
    watch.observe(end.current);
    return () => watch.disconnect();
  }, [isMore, count]);
  return html`
    <ul class="grid slots">
      ${views.slice(0, count).map(({ slot, does }) => {
        const view = { slot, does, age: slot.last_photo_at && ago(slot.last_photo_at), reasons: reasonsOf(slot, since, names) };
        return html`<${Card} key=${slot.id} view=${view} version=${language.get() + JSON.stringify(view)} again=${again} />`;
      })}
    </ul>
    ${isMore && html`<p class="list-end" ref=${end}><button type="button" class="button" onClick=${more}>${c("more")}</button></p>`}
  `;
}

/** The name of the first step of the slot's route, or null without a step. */
const whatItDoes = (slot, names) => (slot.provider_id === null ? null : names.both(slot.provider_id, slot.operation_id));

/** Why the slot does not work, and how often for which reason, each as `{text, href}`. */
function reasonsOf(slot, since, names) {
  if (!slot.active) return [];
  return [
    ...slot.reasons.map((reason) => ({ text: slotIssueText(reason, names), href: ofReason(reason, slot.id, since) })),
    ...Object.entries(slot.failures).map(([reason, count]) => ({
      text: t("failures", { reason: j.of("reason", reason), count: number(count) }),
      href: jobsSince(since, { slot: slot.id, reason }),
    })),
  ];
}
