/* The list of jobs, live, with filters in the URL. */
import { html } from "../lib/html.js";
import { translator } from "../lib/language.js";
import { WIDE, useMedia } from "../lib/media.js";
import { route } from "../lib/route.js";
import { useStore } from "../lib/store.js";
import { ClearFilters, Filters, filtersFromQuery, hasFilters } from "../parts/jobs_filters.js";
import { JobCards, JobsTable } from "../parts/jobs_list.js";
import { timed } from "../parts/jobs_times.js";
import { ListEnd } from "../parts/long_list/end.js";
import { useFeed } from "../parts/long_list/feed.js";
import { FreshButton } from "../parts/long_list/fresh.js";
import { useSlots } from "../parts/slot_names.js";
import { Empty, Loading, ErrorNotice } from "../parts/states.js";
import words from "../i18n/jobs.js";

const t = translator(words);

const FIRST = 30;
const PAUSE_MS = 300;

/** The list of jobs with these filters, as `useFeed` takes it. */
function source(filters) {
  return {
    key: `jobs ${JSON.stringify(filters)}`,
    path: "/api/jobs",
    query: () => filters,
    first: FIRST,
    one: (id) => `/api/jobs/${id}`,
    received: timed,
    isHeld: () => true,
    newestFirst: (filters.sort ?? "-").startsWith("-"),
    slides: false,
    pause: PAUSE_MS,
    matters: (event) => !filters.slot_id || event.slot_id === filters.slot_id,
  };
}

export default function Jobs() {
  const { query } = useStore(route);
  const wide = useMedia(WIDE);
  const slots = useSlots();
  const feed = useFeed(source(filtersFromQuery(query)));
  const { items, problem } = feed;
  const List = wide ? JobsTable : JobCards;
  const shown = items !== null && t(feed.next === null ? "shown" : "shownMore", { n: items.length });
  return html`
    <div class="page-head">
      <h1>${t("title")}</h1>
      <div class="row">
        ${items !== null && html`<p class="soft">${shown}</p>`}
        <${ClearFilters} query=${query} />
      </div>
    </div>
    <${Filters} query=${query} slots=${slots} problem=${problem} wide=${wide} />
    ${problem && html`<${ErrorNotice} problem=${problem} again=${feed.again} />`}
    <${FreshButton} feed=${feed} words=${t} />
    ${items === null
      ? !problem && html`<${Loading} />`
      : items.length === 0
        ? html`<${Empty} icon="jobs">${hasFilters(query) ? t("emptyFiltered") : t("empty")}<//>`
        : html`<${List} feed=${feed} slots=${slots} /><${ListEnd} feed=${feed} shown=${shown} />`}
  `;
}
