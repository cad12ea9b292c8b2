/* The editable draft of a slot's document, and the differences between two versions. */

/** The writable fields, in the order of the page. */
export const FIELDS = [
  "name",
  "active",
  "route",
  "templates",
  "failure_answer",
  "branded",
  "hedge",
  "late_rescue",
  "response_mode",
  "prompt_fields",
  "keep_transparency",
  "max_upload_bytes",
  "gallery_open_until",
  "gallery_title",
  "budget",
  "ingest_password",
];

let last = 0;

/** A route entry with a key that identifies it when it moves. */
export function keyed(entry) {
  last += 1;
  return { ...entry, key: last };
}

/** A draft from a slot of the API. `ingest_password` is write-only: undefined keeps it. */
export function draftOf(slot) {
  const draft = Object.fromEntries(FIELDS.map((name) => [name, slot[name]]));
  return { ...draft, route: slot.route.map(keyed), ingest_password_set: slot.ingest_password_set };
}

/** The draft as a document for the API. */
export function documentOf(draft) {
  return { ...draft, name: draft.name.trim(), route: draft.route.map(({ key, ...entry }) => entry) };
}

/** The fields that differ between two drafts, in the order of the page. */
export function differences(one, other) {
  const [mine, theirs] = [documentOf(one), documentOf(other)];
  return FIELDS.filter((name) => canonical(mine[name]) !== canonical(theirs[name]));
}

/** JSON that does not depend on the order of keys. */
export function canonical(value) {
  return JSON.stringify(value, (_, part) =>
    part && typeof part === "object" && !Array.isArray(part) ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part,
  );
}
