/* Live events of jobs: one event stream for the whole page, open while a user is signed in. */
import { address, request, me } from "./api.js";
import { useEffect, useRef } from "./html.js";
import { store } from "./store.js";

/** State of the stream: `off`, `connecting`, `live`. */
export const connection = store("off");

/** Queue depth: `{pending, processing, active, by_provider}`, or null before the first event. */
export const depth = store(null);

const listeners = new Set();
let source = null;
let retryTimer = null;

function open() {
  connection.set("connecting");
  source = new EventSource(address("/api/events"));
  source.addEventListener("open", () => connection.set("live"));
  source.addEventListener("job", (message) => publish("job", JSON.parse(message.data)));
  source.addEventListener("reset", () => publish("reset", null));
  source.addEventListener("queue", (message) => depth.set(JSON.parse(message.data)));
  source.addEventListener("error", () => {
    connection.set("connecting");
    // The browser stops for good after a response that is not a stream: an ended session, a starting service.
    if (source.readyState === EventSource.CLOSED) retryTimer = setTimeout(reopen, 3000);
  });
}

async function reopen() {
  close();
  try {
    await request("GET", "/api/me");
  } catch (error) {
    console.info("the service is unavailable", error);
  }
  if (me.get()) {
    open();
    publish("reset", null);
  }
}

function close() {
  clearTimeout(retryTimer);
  source?.close();
  source = null;
  connection.set("off");
}

function publish(kind, event) {
  for (const listener of [...listeners]) listener(kind, event);
}

me.listen((who) => {
  const may = who?.permissions.includes("jobs:read");
  if (may && source === null) open();
  if (!may && source !== null) close();
});

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
