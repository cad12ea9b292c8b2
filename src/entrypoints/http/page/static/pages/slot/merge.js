/* Three-way merge of a slot's document: what one side changed is taken over, what both changed is asked. */
import { FIELDS, canonical } from "./draft.js";

const same = (one, other) => canonical(one) === canonical(other);
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** Steps can be merged one by one if none was added, removed or replaced. */
const sameSteps = (...routes) => new Set(routes.map((route) => JSON.stringify(route.map(({ provider_id, operation_id }) => [provider_id, operation_id])))).size === 1;

/**
 * `{document, conflicts}` of documents without keys of steps. `conflicts` are paths of names and places, such as
 * `["route", 0, "settings", "prompt"]`; their values are `mine` in the document until `decided` replaces them.
 */
export function merged(base, mine, theirs) {
  const conflicts = [];
  const document = { ...mine };
  for (const name of FIELDS) document[name] = part([name], base[name], mine[name], theirs[name], conflicts);
  return { document, conflicts };
}

function part(path, base, mine, theirs, conflicts) {
  if (same(mine, theirs) || same(base, theirs)) return mine;
  if (same(base, mine)) return theirs;
  if (path.length === 1 && path[0] === "route" && sameSteps(base, mine, theirs)) {
    return mine.map((step, place) => ({ ...step, settings: part([...path, place, "settings"], base[place].settings, step.settings, theirs[place].settings, conflicts) }));
  }
  if (path.at(-1) === "settings" && [base, mine, theirs].every(isObject)) {
    const names = [...new Set([...Object.keys(mine), ...Object.keys(theirs)])];
    const values = names.map((name) => [name, part([...path, name], base[name], mine[name], theirs[name], conflicts)]);
    return Object.fromEntries(values.filter(([, value]) => value !== undefined));
  }
  conflicts.push(path);
  return mine;
}

/** The value at a path, undefined if there is none. */
export const valueAt = (document, path) => path.reduce((value, name) => value?.[name], document);

/** The document with the values of `theirs` at these paths. */
export function decided(document, theirs, paths) {
  const copy = structuredClone(document);
  for (const path of paths) {
    const holder = valueAt(copy, path.slice(0, -1));
    const value = valueAt(theirs, path);
    if (value === undefined) delete holder[path.at(-1)];
    else holder[path.at(-1)] = value;
  }
  return copy;
}
