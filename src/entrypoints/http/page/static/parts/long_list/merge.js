/* How a newly read page joins a list that is shown. Items differ by `job_id`. */

/** These items without those that are in `known` too. */
export function without(items, known) {
  const ids = new Set(known.map((one) => one.job_id));
  return items.filter((one) => !ids.has(one.job_id));
}

/**
 * The newest page followed by the older items of the list; only that page if they do not overlap, or if together they
 * are more than `most`. `before` is `{items, next, arrived}`, `page` is `{items, next}`; returns the same three.
 */
export function merged(before, page, most) {
  const known = new Set(before.items.map((one) => one.job_id));
  const listed = new Set([...before.items, ...page.items].map((one) => one.job_id));
  const fresh = without(page.items, before.items).map((one) => one.job_id);
  const arrived = new Set([...before.arrived, ...fresh].filter((id) => listed.has(id)));
  const alone = { items: page.items, next: page.next, arrived };
  const meets = page.items.findLastIndex((one) => known.has(one.job_id));
  if (page.next === null || meets === -1) return alone;
  const last = before.items.findIndex((one) => one.job_id === page.items[meets].job_id);
  const older = without(before.items.slice(last + 1), page.items);
  if (older.length === 0 || page.items.length + older.length > most) return alone;
  return { items: [...page.items, ...older], next: before.next, arrived };
}
