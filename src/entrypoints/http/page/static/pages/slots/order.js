/* Which slots are shown, and in which order. */

/** The orders by name; ties are broken by number, so that cards keep their places while nothing happens to them. */
const RANKS = { number: () => 0, attention: ({ slot }) => ATTENTION[slot.state] ?? 0 };
const ATTENTION = { failing: 0, degraded: 1, active: 2, off: 3 };

export const ORDERS = Object.keys(RANKS);

/** The views that fit the words of the search, in this order. */
export function chosen(views, { search, activeOnly, order }) {
  const words = search.toLocaleLowerCase().split(/\s+/);
  const rank = RANKS[order] ?? RANKS.number;
  return views
    .filter(({ slot, does }) => (!activeOnly || slot.active) && fits(`${slot.name} ${slot.id} ${does ?? ""}`.toLocaleLowerCase(), words))
    .sort((one, other) => rank(one) - rank(other) || numberOf(one) - numberOf(other));
}

const numberOf = ({ slot }) => Number(slot.id.slice("slot-".length));

const fits = (text, words) => words.every((word) => text.includes(word));
