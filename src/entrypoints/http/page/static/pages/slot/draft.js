/* A slot's document while somebody works at it: what can be written of it, and how two versions differ. */

const FIELDS = [
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
  "max_upload_bytes",
  "gallery_open_until",
];

let last = 0;

/** An entry of a route that stays the same one wherever it is moved to. */
export function keyed(entry) {
  last += 1;
  return { ...entry, key: last };
}

/** A draft of the slot as the API tells of it. */
export function draftOf(slot) {
  const draft = Object.fromEntries(FIELDS.map((name) => [name, slot[name]]));
  return { ...draft, route: slot.route.map(keyed) };
}

/** The draft as the API takes it. */
export function documentOf(draft) {
  return { ...draft, name: draft.name.trim(), route: draft.route.map(({ key, ...entry }) => entry) };
}

/** The fields in which two drafts differ, in their order on the page. */
export function differences(one, other) {
  const [mine, theirs] = [documentOf(one), documentOf(other)];
  return FIELDS.filter((name) => canonical(mine[name]) !== canonical(theirs[name]));
}

/** JSON that does not depend on the order of keys. */
function canonical(value) {
  return JSON.stringify(value, (_, part) =>
    part && typeof part === "object" && !Array.isArray(part) ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part,
  );
}
