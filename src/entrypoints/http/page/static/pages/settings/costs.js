/* Currency, budgets of the day, and what today cost. */
import { Problem, request, get, me } from "../../lib/api.js";
import { cost, money, number, percent, time } from "../../lib/format.js";
import { html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { useLoad } from "../../lib/load.js";
import { errorOf } from "../../lib/messages.js";
import { Field } from "../../parts/field.js";
import { Icon } from "../../parts/icon.js";
import { useSlots } from "../../parts/slot_names.js";
import { ErrorNotice } from "../../parts/states.js";
import { toast } from "../../parts/toasts.js";
import common from "../../i18n/common.js";
import words from "../../i18n/settings_costs.js";

const t = translator(words);
const c = translator(common);

const CHOICES = ["refuse", "free_only"];

/** The inputs by name: how a stored value is shown, and how the text becomes a value again; null restores the default. */
const INPUTS = {
  budget_per_day: { decimal: true, shown: (value) => (value === null ? "" : String(value)), value: (text) => (text.trim() === "" ? null : Number(text)) },
  currency: { shown: (value) => value, value: (text) => text.trim().toUpperCase() || null },
  usd_rate: { decimal: true, shown: (value) => String(value), value: (text) => (text.trim() === "" ? null : Number(text)) },
  time_zone: { shown: (value) => value, value: (text) => text.trim() || null },
};

/** `draft` has the inputs that differ from the stored settings. */
export function Costs({ settings, again, draft, setDraft }) {
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const may = me.get().permissions.includes("settings:write");
  const changed = Object.keys(draft).length > 0;
  const shown = (name) => (INPUTS[name] ? INPUTS[name].shown(settings[name]) : settings[name]);
  const change = (name, text) => {
    const { [name]: before, ...others } = draft;
    setDraft(text === shown(name) ? others : { ...others, [name]: text });
    if (errorOf(problem, name)) setProblem(null);
  };
  const wrong = (name) => INPUTS[name].decimal && draft[name] !== undefined && Number.isNaN(INPUTS[name].value(draft[name]) ?? 0);
  const onSubmit = async (event) => {
    event.preventDefault();
    const first = Object.keys(INPUTS).find(wrong);
    if (first) {
      document.getElementById(first).focus();
      return;
    }
    const json = Object.fromEntries(Object.entries(draft).map(([name, text]) => [name, INPUTS[name] ? INPUTS[name].value(text) : text]));
    setBusy(true);
    setProblem(null);
    try {
      await request("PUT", "/api/settings", { json, headers: { "If-Match": settings.etag } });
      setDraft({});
      toast(t("saved"));
      again();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
      if (error.status === 412) again();
    } finally {
      setBusy(false);
    }
  };
  const input = (name) => html`
    <${Field} id=${name} label=${t(name)} help=${t(`help_${name}`)} error=${errorOf(problem, name) ?? (wrong(name) ? t("number") : null)} control=${(attributes) => html`
      <input ...${attributes} type="text" inputmode=${INPUTS[name].decimal ? "decimal" : undefined} autocomplete="off" readonly=${!may} placeholder=${name === "budget_per_day" ? t("noBudget") : undefined} value=${draft[name] ?? shown(name)} onInput=${(event) => change(name, event.target.value)} />`} />`;
  return html`
    <div class="stack">
      <${Today} key=${settings.etag} />
      <form class="stack settings-form" noValidate onSubmit=${onSubmit}>
        ${problem && !Object.keys(INPUTS).some((name) => errorOf(problem, name)) && html`<${ErrorNotice} problem=${problem} />`}
        <div class="card stack">
          ${input("budget_per_day")}
          <${Field} id="budget_at_limit" label=${t("budget_at_limit")} help=${t("help_budget_at_limit")} control=${(attributes) => html`
            <select ...${attributes} disabled=${!may} value=${draft.budget_at_limit ?? settings.budget_at_limit} onChange=${(event) => change("budget_at_limit", event.target.value)}>
              ${CHOICES.map((name) => html`<option key=${name} value=${name}>${t(`at_limit_${name}`)}</option>`)}
            </select>`} />
          ${input("currency")}
          ${input("usd_rate")}
          ${input("time_zone")}
        </div>
        ${may && html`
          <div class="actions settings-actions">
            <button type="button" class="button" disabled=${!changed || busy} onClick=${() => { setDraft({}); setProblem(null); }}>${c("discard")}</button>
            <button class="button button-primary" disabled=${!changed || busy}><${Icon} name="check" /> ${c("save")}</button>
          </div>
        `}
      </form>
    </div>
  `;
}

/** What today cost, and how much of each budget is spent. */
function Today() {
  const slots = useSlots();
  const { data, problem, again } = useLoad((signal) => get("/api/overview", { signal }));
  if (problem) return html`<${ErrorNotice} problem=${problem} again=${again} />`;
  if (data === null) return null;
  const { costs } = data;
  const names = Object.fromEntries(slots.map((slot) => [slot.id, slot.name]));
  const spent = (budget) => t("spent", { spent: money(budget.spent_usd_micros, costs.currency), limit: money(budget.limit_usd_micros, costs.currency), share: percent(budget.percent / 100) });
  return html`
    <section class="card" aria-label=${t("today")}>
      <h2>${t("today")}</h2>
      <dl class="facts">
        <dt>${t("spentToday", { time: time(costs.day_start) })}</dt><dd>${cost(costs.cost, costs.currency)} <span class="soft">${t("callsToday", { n: number(costs.cost.calls) })}</span></dd>
        ${costs.budgets.map((budget) => html`<dt>${budget.slot_id === null ? t("budgetOfAll") : t("budgetOf", { slot: names[budget.slot_id] ?? budget.slot_id })}</dt><dd>${spent(budget)}</dd>`)}
      </dl>
    </section>
  `;
}
