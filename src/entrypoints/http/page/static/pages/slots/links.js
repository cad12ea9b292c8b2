/* Links from the overview to the jobs, settings and pages behind a figure. */
import { me } from "../../lib/api.js";
import { to } from "../../lib/route.js";

const MINUTE_MS = 60_000;

const linked = (path, query) => {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  return `${to(path)}?${new URLSearchParams(given)}`;
};

/** The list of jobs with these filters that were made since then; null without permission. */
export function jobsSince(since, query) {
  if (!me.get().permissions.includes("jobs:read")) return null;
  // A job that ended in these minutes may be a window older.
  const from = new Date(new Date(since).getTime() - MINUTE_MS);
  const local = new Date(from.getTime() - from.getTimezoneOffset() * MINUTE_MS);
  return linked("jobs", { ...query, from: local.toISOString().slice(0, 16) });
}

export const settingsTab = (tab) => linked("settings", { tab });
export const picturesOf = (slot) => linked("pictures", { slot });
export const slotTab = (id, tab) => `${to("slots", id)}?tab=${tab}`;

const REASONS = {
  photos_failed: (slot, since) => jobsSince(since, { slot, result: "none" }),
  photos_with_fallback: (slot, since) => jobsSince(since, { slot, result: "fallback" }),
  circuit_open: () => settingsTab("health"),
  provider_failing: () => settingsTab("health"),
  key_missing: () => settingsTab("secrets"),
  key_unreadable: () => settingsTab("secrets"),
};

/** Where a reason of a slot's state is explained; null where nothing explains more. */
export const ofReason = (reason, slot, since) => REASONS[reason.code]?.(slot, since) ?? null;
