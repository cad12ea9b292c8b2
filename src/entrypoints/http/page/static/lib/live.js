/* What happens to jobs, as it happens: one stream of events for the whole page, opened while somebody is signed in. */
import { address, ask, me } from "./api.js";
import { useEffect, useRef } from "./html.js";
import { store } from "./store.js";

/** How the stream is: `off`, `connecting`, `live`. */
export const connection = store("off");

/** How many jobs are under way: `{pending, processing, active, by_provider}`, or null before it was told. */
export const depth = store(null);

const listeners = new Set();
let source = null;
let again = null;

function open() {
  connection.set("connecting");
  source = new EventSource(address("/api/events"));
  source.addEventListener("open", () => connection.set("live"));
  source.addEventListener("job", (message) => tell("job", JSON.parse(message.data)));
  source.addEventListener("reset", () => tell("reset", null));
  source.addEventListener("queue", (message) => depth.set(JSON.parse(message.data)));
  source.addEventListener("error", () => {
    connection.set("connecting");
    // A browser gives up for good after an answer that is no stream: a session that has ended, a service that starts.
    if (source.readyState === EventSource.CLOSED) again = setTimeout(reopen, 3000);
  });
}

async function reopen() {
  close();
  try {
    await ask("GET", "/api/me");
  } catch (error) {
    console.info("The service cannot be asked right now.", error);
  }
  if (me.get()) {
    open();
    tell("reset", null);
  }
}

function close() {
  clearTimeout(again);
  source?.close();
  source = null;
  connection.set("off");
}

function tell(kind, event) {
  for (const listener of [...listeners]) listener(kind, event);
}

me.listen((who) => {
  const may = who?.permissions.includes("jobs:read");
  if (may && source === null) open();
  if (!may && source !== null) close();
});

/** Call `listener(kind, event)` at each event: `job` with the line of its log, `reset` when more was missed than is told. */
export function useLive(listener) {
  const current = useRef(listener);
  current.current = listener;
  useEffect(() => {
    const listen = (kind, event) => current.current(kind, event);
    listeners.add(listen);
    return () => listeners.delete(listen);
  }, []);
}
