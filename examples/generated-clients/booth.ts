// A booth in TypeScript, with types that openapi-typescript generated from the contract.
//
// npm install openapi-typescript openapi-fetch typescript@5 @types/node
// npx openapi-typescript http://127.0.0.1:8000/openapi.json --output photochanger.ts && npx tsc
// export PHOTOCHANGER_INGEST_PASSWORD=… PHOTOCHANGER_ADMIN_PASSWORD=…
// node booth.js http://127.0.0.1:8000 slot-002 photo.jpg finished.jpg

import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { argv, env, exit } from "node:process";
import createClient from "openapi-fetch";
import type { components, paths } from "./photochanger.js";

type Problem = components["schemas"]["Problem"];

/** The body of a successful response; otherwise exit with the problem. */
function parsed<Body>(answer: { data?: Body; error?: Problem; response: Response }): Body {
  if (answer.data === undefined) {
    console.error(`${answer.response.status}: ${answer.error?.code} ${answer.error?.detail}`);
    exit(1);
  }
  return answer.data;
}

/** The multipart form of a photo; `fileToUpload` is the path of its file. */
function form({ fileToUpload, ...fields }: components["requestBodies"]["CameraForm"]["content"]["multipart/form-data"]): FormData {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) body.append(name, value);
  body.append("fileToUpload", new Blob([readFileSync(fileToUpload)]), basename(fileToUpload));
  return body;
}

const [address = "", slot_id = "", photo = "", finished = ""] = argv.slice(2);
const client = createClient<paths>({ baseUrl: address });
const path = { slot_id };

// Send a photo with a guest's answers.
const password = env.PHOTOCHANGER_INGEST_PASSWORD ?? "";
const answer = await client.POST("/ingest/{slot_id}", {
  params: { path },
  body: { password, guest: "Ада", "Favourite colour": "ultramarine", fileToUpload: photo },
  bodySerializer: form,
  parseAs: "arrayBuffer",
});
const picture = Buffer.from(parsed(answer));
writeFileSync(finished, picture);
const job_id = answer.response.headers.get("X-Job-Id") ?? "";
console.log(`picture: ${picture.length} bytes`);
const link = await client.GET("/public/results/{job_id}", { params: { path: { job_id } }, parseAs: "arrayBuffer" });
const same = picture.equals(Buffer.from(parsed(link)));
console.log(`public link: ${same ? "the same picture" : "another picture"}`);

// Look at what became of it as an administrator.
const who = { username: env.PHOTOCHANGER_ADMIN_USERNAME ?? "admin", password: env.PHOTOCHANGER_ADMIN_PASSWORD ?? "" };
const { access_token } = parsed(await client.POST("/api/login", { body: who }));
const headers = { Authorization: `Bearer ${access_token}` };
const slots = parsed(await client.GET("/api/slots", { headers }));
console.log(`slots: ${slots.items.length}`);
const job = parsed(await client.GET("/api/jobs/{job_id}", { params: { path: { job_id } }, headers }));
const metadata = "metadata" in job ? Object.entries(job.metadata).sort() : [];
console.log(`job: ${job.state}, ${JSON.stringify(Object.fromEntries(metadata))}`);
const stats = parsed(await client.GET("/api/stats/{slot_id}", { params: { path }, headers }));
console.log(`statistics: ${stats.summary.success} of ${stats.slot_id}`);
