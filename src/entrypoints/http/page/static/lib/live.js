/* The connection to the service, and live events of jobs: one event stream for the whole page while a user is signed in. */
import { ROOT, address, me, reachable, request, signInRequired } from "./api.js";
import { useEffect, useRef } from "./html.js";
import { store } from "./store.js";

const PROBE_MS = 3000;
const PROBE_TIMEOUT_MS = 10_000;

/**
 * The state of the connection and when it began, in milliseconds: `off` (nobody is signed in), `live`, `connecting` (the
 * service answers, its events do not arrive), `lost` (the service does not answer). `since` is kept while the state
 * changes between the last two.
 */
export const connection = store({ state: "off", since: Date.now() });

/** Queue depth: `{pending, processing, active, by_provider}`, or null before the first event. */
export const depth = store(null);

const listeners = new Set();
const returnListeners = new Set();
let source = null;
let opened = false;
let interrupted = false;
let retryTimer = null;
let probeTimer = null;

function settle() {
  const waits = source !== null && !opened;
  const state = !me.get() || signInRequired.get() ? "off" : !reachable.get() ? "lost" : waits ? "connecting" : "live";
  const before = connection.get();
  if (state === before.state) return;
  if (state === "lost" || (state === "connecting" && before.state === "live")) interrupted = true;
  const continues = state !== "live" && (before.state === "lost" || before.state === "connecting");
  connection.set({ state, since: continues ? before.since : Date.now() });
  if (state === "lost") probeLater();
  if (state === "live" && interrupted) {
    interrupted = false;
    publish("reset", null);
    for (const listener of [...returnListeners]) listener();
  }
}

function probeLater() {
  clearTimeout(probeTimer);
  probeTimer = setTimeout(probe, PROBE_MS);
}

/** Ask the service at once whether it answers. */
export async function probe() {
  clearTimeout(probeTimer);
  const control = new AbortController();
  const timeout = setTimeout(() => control.abort(), PROBE_TIMEOUT_MS); // a network that drops packets refuses nothing
  try {
    const answer = await fetch(`${ROOT}/healthz`, { cache: "no-store", signal: control.signal });
    reachable.set(answer.ok);
  } catch (error) {
    console.info("the service does not answer", error);
    reachable.set(false);
  } finally {
    clearTimeout(timeout);
  }
  if (connection.get().state === "lost") probeLater();
  else if (source !== null && !opened) reopen();
}

function open() {
  const stream = new EventSource(address("/api/events"));
  source = stream;
  opened = false;
  settle();
  stream.addEventListener("open", () => {
    opened = true;
    reachable.set(true);
    settle();
  });
  stream.addEventListener("job", (message) => publish("job", JSON.parse(message.data)));
  stream.addEventListener("reset", () => publish("reset", null));
  stream.addEventListener("queue", (message) => depth.set(JSON.parse(message.data)));
  stream.addEventListener("error", () => {
    opened = false;
    settle();
    // The browser tries again as often as this timer fires: an error must not put it off.
    retryTimer ??= setTimeout(() => {
      retryTimer = null;
      // The browser stops for good after a response that is not a stream: an ended session, a starting service.
      if (stream.readyState === EventSource.CLOSED) checkSession();
      else probe();
    }, PROBE_MS);
  });
}

/** An ended session shows the sign-in; the stream is opened again after it. */
async function checkSession() {
  try {
    await request("GET", "/api/me");
  } catch (error) {
    console.info("the service is unavailable", error);
  }
  if (reachable.get()) reopen();
}

function reopen() {
  close();
  if (me.get()?.permissions.includes("jobs:read")) open();
  settle();
}

function close() {
  clearTimeout(retryTimer);
  retryTimer = null;
  source?.close();
  source = null;
  opened = false;
}

function publish(kind, event) {
  for (const listener of [...listeners]) listener(kind, event);
}

me.listen((who) => {
  const may = who?.permissions.includes("jobs:read");
  if (may && source === null) open();
  if (!may && source !== null) close();
  if (!who) {
    interrupted = false;
    depth.set(null);
  }
  settle();
});
signInRequired.listen(settle);
reachable.listen(settle);
addEventListener("offline", () => reachable.set(false));
addEventListener("online", () => me.get() && probe());

/** Call `listener(kind, event)` for each event: `job` with its log entry, `reset` if events were missed. */
export function useLive(listener) {
  const current = useRef(listener);
  current.current = listener;
  useEffect(() => {
    const listen = (kind, event) => current.current(kind, event);
    listeners.add(listen);
    return () => listeners.delete(listen);
  }, []);
}

/** Call `act` when the service answers again after it did not. */
export function useReturn(act) {
  const current = useRef(act);
  current.current = act;
  useEffect(() => {
    const listen = () => current.current();
    returnListeners.add(listen);
    return () => returnListeners.delete(listen);
  }, []);
}
