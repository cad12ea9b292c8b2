/* The route editor: steps in order, each an operation with settings; moved by dragging or buttons. */
import { Fragment, html, useLayoutEffect, useRef, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { findOperation, sharedSettings } from "../../lib/providers.js";
import { Field } from "../../parts/field.js";
import { Icon } from "../../parts/icon.js";
import { Pill } from "../../parts/states.js";
import { providerText } from "../../i18n/providers.js";
import words from "../../i18n/slot.js";
import { keyed } from "./draft.js";
import { SchemaForm } from "./schema_form.js";

const t = translator(words);
const MOST = 8;

/** `entries` have keys; `error(field)` is the error text of a field, `below(prefix)` whether a field below has an error. */
export function RouteEditor({ entries, providers, fields, readOnly, error, below, onAllow, onChange }) {
  const [folded, setFolded] = useState(() => new Set(entries.slice(readOnly ? entries.length : 1).map(({ key }) => key)));
  const [dragged, setDragged] = useState(null);
  const held = useRef(null);
  const list = useRef(null);
  const focus = useRef(null);
  // The pressed button moves with its step and may disappear at an end: keep the focus.
  useLayoutEffect(() => {
    if (focus.current === null) return;
    const { key, name } = focus.current;
    focus.current = null;
    const step = list.current.querySelector(`[data-key="${key}"]`);
    (step?.querySelector(`[data-does="${name}"]:not(:disabled)`) ?? step?.querySelector("button:not(:disabled)"))?.focus();
  }, [entries]);
  const move = (from, to, name) => {
    if (to < 0 || to >= entries.length || from === to) return;
    const next = entries.toSpliced(from, 1);
    next.splice(to, 0, entries[from]);
    if (name) focus.current = { key: entries[from].key, name };
    onChange(next);
  };
  const drag = (key) => {
    held.current = key;
    // Rendering immediately would remove the dragged element, and the browser would end the drag.
    setTimeout(() => setDragged(held.current), 0);
  };
  const dragOver = (event, place) => {
    const from = entries.findIndex(({ key }) => key === held.current);
    if (from < 0) return;
    event.preventDefault();
    const { top, height } = event.currentTarget.getBoundingClientRect();
    // Only beyond the middle: otherwise a tall and a short step would swap back and forth.
    if (from < place ? event.clientY > top + height / 2 : event.clientY < top + height / 2) move(from, place);
  };
  const fold = (key) => setFolded((before) => (before.has(key) ? new Set([...before].filter((one) => one !== key)) : new Set([...before, key])));
  const add = () => {
    const provider = providers.find((one) => one.on_this_machine) ?? providers[0];
    const entry = keyed({ provider_id: provider.id, operation_id: provider.operations[0].id, settings: {} });
    onChange([...entries, entry]);
    focus.current = { key: entry.key, name: "fold" };
  };
  return html`
    ${error("route") && html`<p class="error" role="alert">${error("route")}</p>`}
    ${entries.length === 0 && html`<p class="soft">${t("noSteps")}</p>`}
    <ol class="route" ref=${list}>
      ${entries.map((entry, place) => {
        const at = `route.${place}`;
        return html`
          <li
            key=${entry.key}
            data-key=${entry.key}
            class=${`step${dragged === entry.key ? " step-dragged" : ""}${below(at) ? " step-wrong" : ""}`}
            onDragOver=${(event) => dragOver(event, place)}
            onDrop=${(event) => event.preventDefault()}
          >
            <${Step}
              entry=${entry}
              place=${place}
              count=${entries.length}
              providers=${providers}
              fields=${fields}
              open=${!folded.has(entry.key) || below(at)}
              error=${(field) => error(`${at}.${field}`)}
              onFold=${() => fold(entry.key)}
              onMove=${(by, name) => move(place, place + by, name)}
              onDrag=${(starts) => drag(starts ? entry.key : null)}
              onAllow=${onAllow}
              onChange=${(next) => onChange(entries.with(place, next))}
              onRemove=${() => onChange(entries.toSpliced(place, 1))}
            />
          </li>
        `;
      })}
    </ol>
    <button type="button" class="button start" disabled=${entries.length >= MOST} onClick=${add}><${Icon} name="plus" /> ${t(entries.length ? "addFallback" : "addStep")}</button>
  `;
}

function Step({ entry, place, count, providers, fields, open, error, onFold, onMove, onDrag, onAllow, onChange, onRemove }) {
  const { provider, operation } = findOperation(providers, entry);
  const id = `step-${entry.key}`;
  const name = `${providerText(provider?.title ?? entry.provider_id)} · ${providerText(operation?.title ?? entry.operation_id)}`;
  return html`
    <div class="step-head">
      <span class="step-drag" draggable="true" title=${t("drag")} aria-hidden="true" onDragStart=${(event) => startDrag(event, onDrag)} onDragEnd=${() => onDrag(false)}><${Icon} name="drag" /></span>
      <button type="button" class="step-fold" data-does="fold" aria-expanded=${open} aria-controls=${id} onClick=${onFold}>
        <${Icon} name=${open ? "down" : "right"} />
        <span class="step-number">${place + 1}</span>
        <span class="step-name">${name}<small class="soft">${t(place === 0 ? "triedFirst" : "fallback")}</small></span>
      </button>
      <${KeyPill} provider=${provider} />
      <span class="step-tools">
        <button type="button" class="button button-plain" data-does="up" aria-label=${t("moveUp", { name })} disabled=${place === 0} onClick=${() => onMove(-1, "up")}><${Icon} name="up" /></button>
        <button type="button" class="button button-plain" data-does="down" aria-label=${t("moveDown", { name })} disabled=${place === count - 1} onClick=${() => onMove(1, "down")}><${Icon} name="down" /></button>
        <button type="button" class="button button-plain" aria-label=${t("removeStep", { name })} onClick=${onRemove}><${Icon} name="trash" /></button>
      </span>
    </div>
    <div class="step-body" id=${id} hidden=${!open}>
      ${open && html`<${Settings} id=${id} entry=${entry} provider=${provider} operation=${operation} providers=${providers} fields=${fields} error=${error} onAllow=${onAllow} onChange=${onChange} />`}
    </div>
  `;
}

function startDrag(event, onDrag) {
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", "");
  event.dataTransfer.setDragImage(event.target.closest("li"), 20, 20);
  onDrag(true);
}

function KeyPill({ provider }) {
  if (provider === undefined) return html`<${Pill} tone="bad">${t("notInstalled")}<//>`;
  if (provider.key.state === "missing") return html`<${Pill} tone="bad">${t("noKey")}<//>`;
  if (provider.key.state === "unreadable") return html`<${Pill} tone="bad">${t("unreadableKey")}<//>`;
  if (provider.standing?.state === "failing") return html`<${Pill} tone="warn">${t("isDown")}<//>`;
  return null;
}

function Settings({ id, entry, provider, operation, providers, fields, error, onAllow, onChange }) {
  const choose = (change) => {
    const next = { ...entry, ...change };
    const schema = findOperation(providers, next).operation?.settings_schema.properties ?? {};
    // Keep the settings that both operations have, such as the prompt.
    const kept = Object.entries(entry.settings).filter(([setting]) => setting in schema);
    onChange({ ...next, settings: Object.fromEntries(kept) });
  };
  const onProvider = (event) => {
    const chosen = providers.find((one) => one.id === event.target.value);
    const same = chosen.operations.find((one) => one.id === entry.operation_id) ?? chosen.operations[0];
    choose({ provider_id: chosen.id, operation_id: same.id });
  };
  return html`
    <${Fragment}>
      <div class="settings">
        <${Field} id=${`${id}-provider`} label=${t("provider")} error=${error("provider_id")} control=${(attributes) => html`<select ...${attributes} onChange=${onProvider}>${!provider && html`<option value=${entry.provider_id} selected disabled>${entry.provider_id}</option>`}${providers.map((one) => html`<option key=${one.id} value=${one.id} selected=${one.id === entry.provider_id}>${providerText(one.title)}</option>`)}</select>`} />
        <${Field} id=${`${id}-operation`} label=${t("operation")} error=${error("operation_id")} control=${(attributes) => html`<select ...${attributes} disabled=${!provider} onChange=${(event) => choose({ operation_id: event.target.value })}>${!operation && html`<option value=${entry.operation_id} selected disabled>${entry.operation_id}</option>`}${(provider?.operations ?? []).map((one) => html`<option key=${one.id} value=${one.id} selected=${one.id === entry.operation_id}>${providerText(one.title)}</option>`)}</select>`} />
      </div>
      ${error("settings") && html`<p class="error">${error("settings")}</p>`}
      ${operation && html`<${SchemaForm} id=${id} schema=${operation.settings_schema} settings=${entry.settings} prompts=${operation.prompts} fields=${fields} last=${sharedSettings(provider)} onAllow=${onAllow} wrong=${(name) => error(`settings.${name}`)} onChange=${(settings) => onChange({ ...entry, settings })} />`}
    <//>
  `;
}
