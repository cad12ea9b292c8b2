/* Changes of a stored slot that take effect at once, whatever else is unsaved on the page. */
import { Problem, get, request } from "../../lib/api.js";
import { documentOf, draftOf } from "./draft.js";

const ATTEMPTS = 3;

/** Store these fields in the slot as it is now. Returns `{stored, from}`: `from` is the version that was changed. */
export async function changeStored(id, fields) {
  for (let attempt = 1; ; attempt += 1) {
    const now = await get(`/api/slots/${id}`);
    try {
      const { data } = await request("PUT", `/api/slots/${id}`, { json: { ...documentOf(draftOf(now)), ...fields }, headers: { "If-Match": now.etag } });
      return { stored: data, from: now.etag };
    } catch (error) {
      // Somebody else changed another field meanwhile.
      if (!(error instanceof Problem) || error.status !== 412 || attempt === ATTEMPTS) throw error;
    }
  }
}
