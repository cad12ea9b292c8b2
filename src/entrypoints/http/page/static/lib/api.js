/* The public API, as this page calls it: with the session's cookie, and with a sign-in in place when the session has ended. */
import { store } from "./store.js";

export const ROOT = document.documentElement.dataset.root;

/** Who is signed in (`username`, `permissions`, `expires_at`), null for nobody, undefined before anybody knows. */
export const me = store(undefined);

/** Whether the page asks for a password over what somebody is working at. */
export const asksAgain = store(false);

/** What the API said instead of an answer (RFC 9457), or that there was no answer: then `status` is 0. */
export class Problem extends Error {
  constructor(body) {
    super(body.detail ?? body.title ?? "");
    this.status = body.status ?? 0;
    this.code = body.code ?? "unreachable";
    this.errors = body.errors ?? [];
    this.retryAfter = body.retry_after ?? null;
    this.slots = body.slots ?? [];
  }

  /** What is said of one field, or null. */
  of(field) {
    return this.errors.find((error) => error.field === field)?.detail ?? null;
  }
}

/**
 * Ask the API. `query` holds parameters (null and undefined are left out), `json` or `form` (FormData) is the body.
 * Returns `{data, etag, status, headers}`; throws Problem, and an AbortError where `signal` says so.
 */
export async function ask(method, path, options = {}) {
  const answer = await answered(method, path, options);
  const text = await answer.text();
  const data = isJson(answer) && text ? JSON.parse(text) : text;
  return { data, etag: answer.headers.get("etag"), status: answer.status, headers: answer.headers };
}

/** Ask for an answer of JSON lines, and call `onLine` with each of them as it comes. Throws as `ask` does. */
export async function follow(method, path, onLine, { signal } = {}) {
  const answer = await answered(method, path, { signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return undefined;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) if (line) onLine(JSON.parse(line));
    }
  } catch (error) {
    if (error.name === "AbortError" || !(error instanceof TypeError)) throw error;
    throw new Problem({ code: "unreachable", detail: error.message });
  }
}

/** The answer's data alone. */
export const get = async (path, options) => (await ask("GET", path, options)).data;

/** An address below the API for pictures and links. */
export const address = (path, query = {}) => `${ROOT}${path}${queryText(query)}`;

export async function signIn(username, password) {
  const { data } = await ask("POST", "/api/session", { json: { username, password } });
  me.set(data);
  asksAgain.set(false);
}

export async function signOut() {
  await ask("DELETE", "/api/session");
  me.set(null);
  asksAgain.set(false);
}

/** Find out whether the cookie of an earlier visit still holds. */
export async function recognize() {
  const answer = await send("GET", "/api/me", {});
  me.set(answer.ok ? await answer.json() : null);
}

/** The answer, if it is a good one; Problem for what it is instead. Waits for a sign-in where the session has ended. */
async function answered(method, path, options) {
  for (;;) {
    const answer = await send(method, path, options);
    if (answer.ok) return answer;
    if (answer.status !== 401 || path === "/api/session" || !me.get()) {
      throw new Problem(isJson(answer) ? await answer.json() : { status: answer.status, detail: answer.statusText });
    }
    await signedInAgain(options.signal);
  }
}

const isJson = (answer) => (answer.headers.get("content-type") ?? "").includes("json");

async function send(method, path, { query, json, form, headers, signal }) {
  const sent = { ...headers };
  if (method !== "GET") sent["X-PhotoChanger-CSRF"] = "1";
  if (json !== undefined) sent["Content-Type"] = "application/json";
  const body = json === undefined ? form : JSON.stringify(json);
  try {
    return await fetch(address(path, query), { method, headers: sent, body, signal, credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ code: "unreachable", detail: error.message });
  }
}

function queryText(query) {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
}

/** Resolves once somebody has signed in again; what was being worked at stays as it is meanwhile. */
function signedInAgain(signal) {
  asksAgain.set(true);
  return new Promise((resolve, reject) => {
    const forget = asksAgain.listen((asks) => {
      if (asks) return;
      forget();
      resolve();
    });
    signal?.addEventListener("abort", () => {
      forget();
      reject(signal.reason);
    });
  });
}
