// The HTTP API from Node.js 18 or newer, without packages: send a photo, poll until its picture is ready, download it.
//
// PHOTOCHANGER_INGEST_PASSWORD=… node examples/client.mjs http://127.0.0.1:8000 slot-002 photo.jpg finished.jpg
import { readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const POLL_MS = 500;
const TIMEOUT_MS = 75_000;

class Problem extends Error {}

/** Return a successful response; otherwise throw the code and detail of the problem. */
async function call(url, options = {}) {
  const answer = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS), ...options });
  if (answer.ok) return answer;
  const isProblem = answer.headers.get("content-type")?.startsWith("application/problem+json");
  if (!isProblem) throw new Problem(`the service answered ${answer.status}`);
  const { code, detail } = await answer.json();
  throw new Problem(`${code}: ${detail}`);
}

/** Send a photo without a waiting request: the response links to the job, and the job to its picture. */
async function handIn(base, slotId, photo, finished) {
  const form = new FormData();
  form.append("password", process.env.PHOTOCHANGER_INGEST_PASSWORD ?? "");
  form.append("fileToUpload", new Blob([await readFile(photo)]), basename(photo));
  const address = `${base.replace(/\/+$/, "")}/ingest/${encodeURIComponent(slotId)}`;
  const accepted = await call(address, { method: "POST", body: form, headers: { Prefer: "respond-async" } });
  const link = new URL(accepted.headers.get("location"), address);
  let job;
  while ((job = await (await call(link)).json()).finalized_at === null) await pause(POLL_MS);
  if (job.result === null) throw new Problem(`no picture: ${job.error_code}: ${job.error_detail}`);
  const picture = Buffer.from(await (await call(job.result.url)).arrayBuffer());
  await writeFile(finished, picture);
  console.log(`${job.state}: ${picture.length} bytes of ${job.result.mime} in ${finished}`);
}

if (process.argv.length !== 6) {
  console.error("usage: node client.mjs URL SLOT PHOTO FINISHED");
  process.exit(2);
}
try {
  await handIn(...process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Problem ? error.message : `cannot be reached: ${error.cause?.message ?? error.message}`);
  process.exitCode = 1;
}
