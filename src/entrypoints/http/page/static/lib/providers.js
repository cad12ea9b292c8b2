/* The providers, and the lookup of the operation of a route entry. */
import { get } from "./api.js";

/** The providers of `GET /api/providers`. */
export const readProviders = async (signal) => (await get("/api/providers", { signal })).items;

/** The provider and operation of a route entry; each undefined if it is not installed. */
export function findOperation(providers, { provider_id, operation_id }) {
  const provider = providers.find((one) => one.id === provider_id);
  return { provider, operation: provider?.operations.find((one) => one.id === operation_id) };
}

/** The settings that all operations of a provider have in common, if it has several: they are shown last. */
export function sharedSettings(provider) {
  const [first, ...others] = provider.operations.map((operation) => operation.settings_schema.properties ?? {});
  return others.length === 0 ? [] : Object.keys(first).filter((name) => others.every((properties) => name in properties));
}

/** The setting keys with which these entries use templates, each with the titles of the operations. */
export function rolesOf(providers, entries) {
  const roles = new Map();
  for (const entry of entries) {
    const { operation } = findOperation(providers, entry);
    for (const role of operation?.template_roles ?? []) {
      roles.set(role, new Set([...(roles.get(role) ?? []), operation.title]));
    }
  }
  return roles;
}
