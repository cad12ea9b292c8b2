/* Client of the public API: with the session cookie, and a sign-in dialog when the session has ended. */
import { restorePreferences } from "./preferences.js";
import { store } from "./store.js";

export const ROOT = document.documentElement.dataset.root;

/** The signed-in user (`username`, `permissions`, `expires_at`); null if signed out, undefined before it is known. */
export const me = store(undefined);

/** Whether the sign-in dialog is shown over the page. */
export const signInRequired = store(false);

/** Whether the service answered the last request of any part of the page. */
export const reachable = store(true);

/** Statuses of a proxy whose service does not answer; the service itself sends them with a problem as JSON. */
const PROXY_FAILURES = new Set([502, 503, 504]);

/** An error response of the API (RFC 9457); `status` is 0 if there was no response. */
export class Problem extends Error {
  constructor(body) {
    super(body.detail ?? body.title ?? "");
    this.status = body.status ?? 0;
    this.code = body.code ?? "unreachable";
    this.errors = body.errors ?? [];
    this.retryAfter = body.retry_after ?? null;
    this.slots = body.slots ?? [];
  }
}

/**
 * Send a request. `query` are parameters (null and undefined are left out), `json` or `form` (FormData) is the body.
 * Returns `{data, etag, status, headers}`; throws Problem, or AbortError if `signal` aborts.
 */
export async function request(method, path, options = {}) {
  const answer = await successfulResponse(method, path, options);
  const text = await unlessCut(answer.text());
  const data = isJson(answer) && text ? JSON.parse(text) : text;
  return { data, etag: answer.headers.get("etag"), status: answer.status, headers: answer.headers };
}

/** What is read of a response; throws Problem if the connection is cut meanwhile. */
async function unlessCut(reading) {
  try {
    return await reading;
  } catch (error) {
    if (error.name === "AbortError" || !(error instanceof TypeError)) throw error;
    reachable.set(false);
    throw new Problem({ code: "unreachable", detail: error.message });
  }
}

/** Request JSON lines and call `onLine` with each one as it arrives. Throws like `request`. */
export async function requestLines(method, path, onLine, { signal } = {}) {
  const answer = await successfulResponse(method, path, { signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await unlessCut(reader.read());
    if (done) return undefined;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line) onLine(JSON.parse(line));
  }
}

/** Request a file; returns it as a Blob. Throws like `request`. */
export const requestBlob = async (method, path, options = {}) => unlessCut((await successfulResponse(method, path, options)).blob());

/** GET, and return only the data. */
export const get = async (path, options) => (await request("GET", path, options)).data;

/** The URL of a path of the API, for pictures and links. */
export const address = (path, query = {}) => `${ROOT}${path}${queryText(query)}`;

export async function signIn(username, password) {
  const { data } = await request("POST", "/api/session", { json: { username, password } });
  me.set(data);
  signInRequired.set(false);
}

/** Sign out here or, `everywhere`, on all devices. */
export async function signOut({ everywhere = false } = {}) {
  if (everywhere) await request("POST", "/api/logout", { query: { everywhere } });
  else await request("DELETE", "/api/session");
  restorePreferences(); // the response has cleared what this browser stored
  me.set(null);
  signInRequired.set(false);
}

const USE_MS = 5 * 60 * 1000;

/** While the page is visible it is in use: the session must not end under the eyes of its user. */
async function keepSession() {
  if (document.hidden || !me.get() || signInRequired.get()) return;
  try {
    const now = await get("/api/me");
    const before = me.get();
    if (before && String(now.permissions) !== String(before.permissions)) me.set(now);
  } catch (error) {
    console.info("the session could not be kept", error);
  }
}

setInterval(keepSession, USE_MS);
document.addEventListener("visibilitychange", keepSession);

/** Sign in with the cookie of an earlier visit, if it is still valid. */
export async function restoreSession() {
  const answer = await send("GET", "/api/me", {});
  if (!reachable.get()) throw new Problem({ code: "unreachable", detail: `${answer.status}` });
  me.set(answer.ok ? await unlessCut(answer.json()) : null);
}

/** The response if it is successful, else throws Problem. Waits for a sign-in if the session has ended. */
async function successfulResponse(method, path, options) {
  for (;;) {
    const answer = await send(method, path, options);
    if (answer.ok) return answer;
    if (answer.status !== 401 || path === "/api/session" || !me.get()) {
      throw new Problem(isJson(answer) ? await unlessCut(answer.json()) : { status: answer.status, detail: `${answer.status} ${answer.statusText}`, code: reachable.get() ? "unexpected" : "unreachable" });
    }
    await untilSignedIn(options.signal);
  }
}

const isJson = (answer) => (answer.headers.get("content-type") ?? "").includes("json");

async function send(method, path, { query, json, form, headers, signal }) {
  const sent = { ...headers };
  if (method !== "GET") sent["X-PhotoChanger-CSRF"] = "1";
  if (document.hidden) sent["X-PhotoChanger-Background"] = "1"; // no use of the session
  if (json !== undefined) sent["Content-Type"] = "application/json";
  const body = json === undefined ? form : JSON.stringify(json);
  try {
    const answer = await fetch(address(path, query), { method, headers: sent, body, signal, credentials: "same-origin" });
    reachable.set(!PROXY_FAILURES.has(answer.status) || isJson(answer));
    return answer;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    reachable.set(false);
    throw new Problem({ code: "unreachable", detail: error.message });
  }
}

function queryText(query) {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
}

/** Resolves when the user has signed in again; the page keeps its state. */
function untilSignedIn(signal) {
  signInRequired.set(true);
  return new Promise((resolve, reject) => {
    const forget = signInRequired.listen((required) => {
      if (required) return;
      forget();
      resolve();
    });
    signal?.addEventListener("abort", () => {
      forget();
      reject(signal.reason);
    });
  });
}
