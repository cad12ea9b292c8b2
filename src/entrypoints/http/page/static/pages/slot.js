/* One slot: head, tabs, and the draft that the tabs share. */
import { Problem, request, get, me } from "../lib/api.js";
import { html, useEffect, useRef, useState } from "../lib/html.js";
import { translator } from "../lib/language.js";
import { problemText } from "../lib/messages.js";
import { useLoad } from "../lib/load.js";
import { readProviders } from "../lib/providers.js";
import { route, setQuery, to } from "../lib/route.js";
import { useStore } from "../lib/store.js";
import { useLiveReload } from "../lib/live_reload.js";
import { useTitle } from "../lib/title.js";
import { Boundary } from "../parts/boundary.js";
import { Icon } from "../parts/icon.js";
import { Loading, ErrorNotice } from "../parts/states.js";
import { toast } from "../parts/toasts.js";
import { UnsavedGuard } from "../parts/unsaved.js";
import common from "../i18n/common.js";
import words from "../i18n/slot.js";
import { Configuration } from "./slot/configuration.js";
import { Conflict } from "./slot/conflict.js";
import { Connect } from "./slot/connect.js";
import { differences, documentOf, draftOf } from "./slot/draft.js";
import { Gallery } from "./slot/gallery.js";
import { Head } from "./slot/head.js";
import { decided, merged } from "./slot/merge.js";
import { Results } from "./slot/results.js";
import { TryIt } from "./slot/try_it/try_it.js";

const t = translator(words);
const c = translator(common);

export default function Slot({ id }) {
  const { data, problem, again } = useLoad(async (signal) => {
    const [slot, providers] = await Promise.all([get(`/api/slots/${encodeURIComponent(id)}`, { signal }), readProviders(signal)]);
    return { slot, providers };
  }, [id]);
  useLiveReload((event) => event.slot_id === id && event.event === "finalized", again);
  useTitle(data?.slot.name ?? id, c("slots"));
  if (data === null) return problem ? html`<${ErrorNotice} problem=${problem} again=${again} />` : html`<${Loading} />`;
  return html`${problem && html`<${ErrorNotice} problem=${problem} again=${again} />`}<${Work} id=${id} slot=${data.slot} providers=${data.providers} again=${again} />`;
}

function Work({ id, slot, providers, again }) {
  const mayWrite = me.get().permissions.includes("slots:write");
  const work = useDraft(id, slot, again);
  const { draft, changed, change } = work;
  const tabs = ["configuration", ...(mayWrite ? ["try"] : []), "results", "gallery", "connect"];
  const { query } = useStore(route);
  const tab = tabs.includes(query.tab) ? query.tab : tabs[0];
  // On a phone the tabs are wider than the window.
  useEffect(() => document.getElementById(`tab-${tab}`).scrollIntoView({ block: "nearest", inline: "nearest" }), [tab]);
  // All tabs stay rendered, so that a test run continues while another tab is shown.
  const panel = (name, content) => html`<div key=${name} role="tabpanel" id=${`panel-${name}`} aria-labelledby=${`tab-${name}`} hidden=${name !== tab}><${Boundary}>${content}<//></div>`;
  return html`
    <a class="back" href=${to("slots")}><${Icon} name="left" size=${16} /> ${c("slots")}</a>
    <${Head} id=${id} slot=${slot} onSwitched=${(stored, from) => work.adopt(stored, from, "active")} />
    <div class="tabs" role="tablist" aria-label=${slot.name} onKeyDown=${(event) => onArrow(event, tabs, tab)}>
      ${tabs.map((name) => html`<button key=${name} type="button" role="tab" id=${`tab-${name}`} aria-selected=${name === tab} aria-controls=${`panel-${name}`} tabindex=${name === tab ? 0 : -1} onClick=${() => setQuery({ tab: name })}>${t(name)}</button>`)}
    </div>
    ${panel("configuration", html`<${Configuration} draft=${draft} providers=${providers} problem=${work.problem} readOnly=${!mayWrite} change=${change} />`)}
    ${mayWrite && panel("try", html`<${TryIt} id=${id} draft=${draft} isChanged=${changed.length > 0} isShown=${tab === "try"} providers=${providers} change=${change} />`)}
    ${panel("results", html`<${Results} slot=${slot} again=${again} />`)}
    ${panel("gallery", html`<${Gallery} slot=${work.stored} isShown=${tab === "gallery"} onStored=${work.adopt} />`)}
    ${panel("connect", html`<${Connect} slot=${slot} isShown=${tab === "connect"} />`)}
    ${mayWrite && (changed.length > 0 || work.problem) && html`<${SaveBar} work=${work} />`}
    ${work.theirs && html`<${Conflict} conflicts=${work.theirs.conflicts} mine=${work.theirs.document} theirs=${work.theirs.slot} providers=${providers} busy=${work.busy} onSave=${work.saveChosen} onClose=${work.lookAgain} />`}
    <${UnsavedGuard} changed=${changed.length > 0} />
  `;
}

function onArrow(event, tabs, tab) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const next = tabs.at((tabs.indexOf(tab) + step) % tabs.length);
  setQuery({ tab: next });
  document.getElementById(`tab-${next}`).focus();
}

function SaveBar({ work }) {
  const { problem, busy, changed } = work;
  const text = problem && (problem.errors.length ? t("notSaved", { n: problem.errors.length }) : problemText(problem));
  return html`
    <div class="save-bar" role="region" aria-label=${t("unsaved")}>
      <p class=${problem ? "save-wrong" : undefined} role="status">${problem ? html`<${Icon} name="alert" /> ${text}` : t("unsaved")}</p>
      <div class="row">
        <button type="button" class="button" disabled=${busy || changed.length === 0} onClick=${work.discard}>${t("discard")}</button>
        <button type="button" class="button button-primary" disabled=${busy} onClick=${work.save}>${c("save")}</button>
      </div>
    </div>
  `;
}

/** The draft of a slot with its actions. */
function useDraft(id, slot, again) {
  const [base, setBase] = useState(slot);
  const [draft, setDraft] = useState(() => draftOf(slot));
  const [problem, setProblem] = useState(null);
  const [theirs, setTheirs] = useState(null);
  const [busy, setBusy] = useState(false);
  // Versions that were replaced here: what was asked for before may still show one of them.
  const replaced = useRef(new Set());
  const changed = differences(draft, draftOf(base));
  const take = (next) => {
    setBase(next);
    setDraft(draftOf(next));
    setProblem(null);
    setTheirs(null);
  };
  useEffect(() => {
    // Take over changes of others while there are no unsaved changes; otherwise saving reports the conflict.
    if (slot.etag !== base.etag && changed.length === 0 && !replaced.current.has(slot.etag)) take(slot);
  }, [slot]);
  /** `others` are the fields that somebody else has changed meanwhile. */
  const put = async (document, etag, others = []) => {
    const { data } = await request("PUT", `/api/slots/${id}`, { json: document, headers: { "If-Match": etag } });
    replaced.current.add(etag);
    take(data);
    again();
    toast(others.length ? t("savedWithTheirs", { fields: others.map((name) => t.of("field", name)).join(", ") }) : t("saved"));
  };
  /** Store the document over the version `theirs`, or ask where both changed the same. */
  const putOver = async (document) => {
    const slot = await get(`/api/slots/${id}`);
    const [before, theirDocument] = [documentOf(draftOf(base)), documentOf(draftOf(slot))];
    const result = merged(before, document, theirDocument);
    if (result.conflicts.length) setTheirs({ slot, ...result });
    else await put(result.document, slot.etag, differences(draftOf(base), draftOf(slot)));
  };
  const save = async (document, etag) => {
    setBusy(true);
    try {
      try {
        await put(document, etag);
      } catch (error) {
        if (error.status !== 412) throw error;
        await putOver(document);
      }
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setTheirs(null);
      setProblem(error);
      if (error.errors.length) showFirstError();
    } finally {
      setBusy(false);
    }
  };
  return {
    draft,
    changed,
    problem,
    theirs,
    busy,
    change(part) {
      setDraft((before) => ({ ...before, ...part }));
      if (problem) setProblem(withoutMoved(problem, draft, part));
    },
    stored: base,
    save: () => save(documentOf(draft), base.etag),
    saveChosen: (paths) => save(decided(theirs.document, theirs.slot, paths), theirs.slot.etag),
    lookAgain: () => setTheirs(null),
    discard: () => take(base),
    /** Adopt a field that was stored at once; the rest of the draft stays unsaved. `from` is the version it is based on. */
    adopt(next, from, name) {
      replaced.current.add(from);
      setDraft((before) => ({ ...before, [name]: next[name] }));
      setBase((before) => (from === before.etag ? next : { ...before, [name]: next[name] }));
      again();
    },
  };
}

/** The problem without errors of steps or templates that may have moved: their paths name positions. */
function withoutMoved(problem, draft, part) {
  const moved = [];
  if (part.route && String(part.route.map(({ key }) => key)) !== String(draft.route.map(({ key }) => key))) moved.push("route");
  if (part.templates) moved.push("templates");
  const left = problem.errors.filter(({ field }) => !moved.some((name) => field === name || field.startsWith(`${name}.`)));
  if (left.length === problem.errors.length) return problem;
  return left.length ? new Problem({ status: problem.status, code: problem.code, detail: problem.message, errors: left }) : null;
}

/** Focus the first field with an error. */
function showFirstError() {
  requestAnimationFrame(() => {
    document.getElementById("tab-configuration").click();
    requestAnimationFrame(() => document.querySelector(".configuration [aria-invalid=true]")?.focus());
  });
}
