/* The providers as parts need them: read once for a while, and found by the ids that slots name. */
import { get } from "./api.js";

/** What `GET /api/providers` tells. */
export const readProviders = async (signal) => (await get("/api/providers", { signal })).items;

/** The provider and its operation that a route entry names; each undefined where it is not installed. */
export function found(providers, { provider_id, operation_id }) {
  const provider = providers.find((one) => one.id === provider_id);
  return { provider, operation: provider?.operations.find((one) => one.id === operation_id) };
}

/** The settings that all operations of a provider have, where it has several: they matter less than what is an operation's own. */
export function sharedSettings(provider) {
  const [first, ...others] = provider.operations.map((operation) => operation.settings_schema.properties ?? {});
  return others.length === 0 ? [] : Object.keys(first).filter((name) => others.every((properties) => name in properties));
}

/** The setting keys under which these entries take a template, each with the titles of the operations that do. */
export function rolesOf(providers, entries) {
  const roles = new Map();
  for (const entry of entries) {
    const { operation } = found(providers, entry);
    for (const role of operation?.template_roles ?? []) {
      roles.set(role, new Set([...(roles.get(role) ?? []), operation.title]));
    }
  }
  return roles;
}
