/* The slots by name, for lists and choices. */
import { get, me } from "../lib/api.js";
import { useLoad } from "../lib/load.js";

/** All slots, read once; empty until then, and without permission. */
export function useSlots() {
  const may = me.get().permissions.includes("slots:read");
  const { data } = useLoad(async (signal) => (may ? (await get("/api/slots", { signal })).items : []));
  return data ?? [];
}
