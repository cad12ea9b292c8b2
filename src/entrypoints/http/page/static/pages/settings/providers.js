/* Keys, limits, checks and prices of providers. */
import { Problem, request, get, me } from "../../lib/api.js";
import { dateTime, number } from "../../lib/format.js";
import { html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { errorOf, problemText } from "../../lib/messages.js";
import { useLoad } from "../../lib/load.js";
import { Confirm, Dialog } from "../../parts/dialog.js";
import { Field } from "../../parts/field.js";
import { Icon } from "../../parts/icon.js";
import { Empty, Loading, Pill, ErrorNotice } from "../../parts/states.js";
import { toast } from "../../parts/toasts.js";
import common from "../../i18n/common.js";
import { providerText } from "../../i18n/providers.js";
import words from "../../i18n/settings_secrets.js";
import { actorName } from "./actors.js";
import { Check } from "./provider_check.js";
import { Prices } from "./provider_prices.js";

const t = translator(words);
const c = translator(common);

const KEY_TONES = { stored: "good", environment: "good", missing: "warn", unreadable: "bad", not_needed: "mute" };
const LIMITS = ["max_concurrent", "per_minute", "per_day"];
const MOST = 1_000_000;

export function Providers({ settings, again }) {
  const who = me.get();
  const sees = who.permissions.includes("slots:read");
  const { data, problem, again: reload } = useLoad(async (signal) => (sees ? get("/api/providers", { signal }) : { items: [] }));
  const [open, setOpen] = useState(null);
  const close = () => setOpen(null);
  const done = () => {
    close();
    reload();
    again();
  };
  // A new key is checked at once: that is the moment to learn that it does not work.
  const [checkFirst, setCheckFirst] = useState(null);
  const keyDone = (one) => {
    done();
    setCheckFirst({ id: one.id });
  };
  const remote = data?.items.filter((one) => !one.on_this_machine) ?? [];
  const change = who.permissions.includes("settings:write") ? setOpen : null;
  return html`
    <section class="card">
      <h2>${t("providers")}</h2>
      ${problem && html`<${ErrorNotice} problem=${problem} again=${reload} />`}
      ${!sees
        ? html`<p class="soft">${t("needsSlots")}</p>`
        : data === null
          ? !problem && html`<${Loading} />`
          : remote.length === 0
            ? html`<${Empty} icon="key">${t("noProviders")}<//>`
            : html`<ul class="providers">${remote.map((one) => html`<${Provider} key=${one.id} one=${one} limited=${one.id in settings.provider_limits} open=${change} checkFirst=${checkFirst?.id === one.id ? checkFirst : null} reload=${reload} />`)}</ul>`}
      ${open?.what === "key" && html`<${KeyForm} one=${open.one} onDone=${() => keyDone(open.one)} onClose=${close} />`}
      ${open?.what === "limits" && html`<${LimitsForm} one=${open.one} limited=${open.one.id in settings.provider_limits} onDone=${done} onClose=${close} />`}
      ${open?.what === "forget" && html`<${Forget} one=${open.one} onDone=${done} onClose=${close} />`}
    </section>
  `;
}

const limit = (value) => (value === null || value === undefined ? t("noLimit") : number(value));

function Provider({ one, limited, open, checkFirst, reload }) {
  const { key } = one;
  const takesKey = key.state !== "not_needed";
  return html`
    <li class="provider">
      <div class="provider-key">
        <h3>${providerText(one.title)}</h3>
        <${Pill} tone=${KEY_TONES[key.state] ?? "mute"}>${t.of("key", key.state)}<//>
        ${key.changed_at && html`<p class="soft">${t("changed", { when: dateTime(key.changed_at), who: actorName(key.changed_by) })}</p>`}
        ${takesKey && key.variable && html`<p class="soft">${t(key.state === "environment" ? "fromVariable" : "orVariable")} <code>${key.variable}</code></p>`}
        <${Check} one=${one} may=${open !== null} first=${checkFirst} onChecked=${reload} />
      </div>
      <dl class="provider-limits">
        ${LIMITS.map((name) => html`<div key=${name}><dt>${t(name)}</dt><dd>${limit(one.limits[name])}</dd></div>`)}
        <div><dt class="unseen">${t("limits")}</dt><dd class="soft">${limited ? t("limitsHere") : t("limitsDeclared")}</dd></div>
      </dl>
      ${open && html`
        <div class="row provider-ways">
          ${takesKey && html`<button type="button" class="button" aria-label=${`${t("setKey")}: ${providerText(one.title)}`} onClick=${() => open({ what: "key", one })}><${Icon} name="key" /> ${t("setKey")}</button>`}
          ${(key.state === "stored" || key.state === "unreadable") && html`<button type="button" class="button" aria-label=${`${t("forgetKey")}: ${providerText(one.title)}`} onClick=${() => open({ what: "forget", one })}><${Icon} name="trash" /> ${t("forgetKey")}</button>`}
          <button type="button" class="button" aria-label=${`${t("changeLimits")}: ${providerText(one.title)}`} onClick=${() => open({ what: "limits", one })}><${Icon} name="settings" /> ${t("changeLimits")}</button>
        </div>
      `}
      <${Prices} one=${one} />
    </li>
  `;
}

/** Send a change; field errors are shown at their fields, other problems above the form. */
function useChange(done, onDone) {
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const send = async (json) => {
    setBusy(true);
    setProblem(null);
    try {
      await request("PUT", "/api/settings", { json });
      toast(done);
      onDone();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
      setBusy(false);
    }
  };
  return { problem, busy, send };
}

function KeyForm({ one, onDone, onClose }) {
  const [key, setKey] = useState("");
  const [empty, setEmpty] = useState(false);
  const { problem, busy, send } = useChange(t("keySet"), onDone);
  const keyError = errorOf(problem, `provider_keys.${one.id}`);
  const onSubmit = (event) => {
    event.preventDefault();
    setEmpty(key === "");
    if (key !== "") send({ provider_keys: { [one.id]: key } });
  };
  const control = (attributes) => html`<input ...${attributes} type="password" autocomplete="off" maxlength="8192" value=${key} onInput=${(event) => setKey(event.target.value)} />`;
  return html`
    <${Dialog} title=${t("keyOf", { provider: providerText(one.title) })} onClose=${onClose}>
      <form class="stack" noValidate onSubmit=${onSubmit}>
        ${problem && !keyError && html`<${ErrorNotice} problem=${problem} />`}
        <${Field} id="provider-key" label=${t("key")} help=${t("keyHelp")} error=${empty ? t("keyEmpty") : keyError} control=${control} />
        <div class="actions">
          <button type="button" class="button" onClick=${onClose}>${c("cancel")}</button>
          <button class="button button-primary" disabled=${busy}>${c("save")}</button>
        </div>
      </form>
    <//>
  `;
}

function Forget({ one, onDone, onClose }) {
  const { problem, send } = useChange(t("keyForgotten"), onDone);
  const text = html`${t("forgetText", { provider: providerText(one.title) })} ${one.key.variable && t("forgetVariable", { variable: one.key.variable })} ${problem && html`<strong role="alert">${problemText(problem)}</strong>`}`;
  return html`<${Confirm} title=${t("forgetTitle")} text=${text} yes=${t("forgetKey")} dangerous=${true} onYes=${() => send({ provider_keys: { [one.id]: null } })} onNo=${onClose} />`;
}

function LimitsForm({ one, limited, onDone, onClose }) {
  const [texts, setTexts] = useState(Object.fromEntries(LIMITS.map((name) => [name, one.limits[name]?.toString() ?? ""])));
  const [errors, setErrors] = useState({});
  const { problem, busy, send } = useChange(t("limitsSet"), onDone);
  const place = (name) => `provider_limits.${one.id}.${name}`;
  const onSubmit = (event) => {
    event.preventDefault();
    const wrong = LIMITS.filter((name) => texts[name] !== "" && !(/^\d+$/.test(texts[name]) && Number(texts[name]) >= 1 && Number(texts[name]) <= MOST));
    setErrors(Object.fromEntries(wrong.map((name) => [name, t("limitWrong", { most: number(MOST) })])));
    if (wrong.length) return;
    send({ provider_limits: { [one.id]: Object.fromEntries(LIMITS.map((name) => [name, texts[name] === "" ? null : Number(texts[name])])) } });
  };
  const control = (name) => (attributes) =>
    html`<input ...${attributes} type="text" inputmode="numeric" autocomplete="off" placeholder=${t("noLimit")} value=${texts[name]} onInput=${(event) => setTexts({ ...texts, [name]: event.target.value.trim() })} />`;
  return html`
    <${Dialog} title=${t("limitsOf", { provider: providerText(one.title) })} onClose=${onClose}>
      <form class="stack" noValidate onSubmit=${onSubmit}>
        <p class="soft">${t("limitsHelp")}</p>
        ${problem && !LIMITS.some((name) => errorOf(problem, place(name))) && html`<${ErrorNotice} problem=${problem} />`}
        ${LIMITS.map((name) => html`<${Field} key=${name} id=${`limit-${name}`} label=${t(name)} help=${t("declares", { value: limit(one.declared[name]) })} error=${errors[name] ?? errorOf(problem, place(name))} control=${control(name)} />`)}
        <div class="actions">
          ${limited && html`<button type="button" class="button" disabled=${busy} onClick=${() => send({ provider_limits: { [one.id]: null } })}>${t("asDeclared")}</button>`}
          <button type="button" class="button" onClick=${onClose}>${c("cancel")}</button>
          <button class="button button-primary" disabled=${busy}>${c("save")}</button>
        </div>
      </form>
    <//>
  `;
}
