/* The names of providers and operations, in place of their IDs. */
import { me } from "../lib/api.js";
import { useEffect, useState } from "../lib/html.js";
import { findOperation, readProviders } from "../lib/providers.js";
import { store, useStore } from "../lib/store.js";
import { providerText, settingLabel } from "../i18n/providers.js";

const known = store([]);
let reading = null;

/** Read them once for the whole page; without permission, or while they are not known, IDs are shown. */
async function readOnce() {
  try {
    known.set(await readProviders());
  } catch (error) {
    reading = null;
    console.info("the names of providers are not known", error);
  }
}

/** `{provider(id), operation(providerId, operationId), setting(providerId, operationId, name), both(providerId, operationId)}`, each a name. */
export function useProviderNames() {
  const providers = useStore(known);
  const may = me.get().permissions.includes("slots:read");
  useEffect(() => {
    if (may) reading ??= readOnce();
  }, [may]);
  return namesOf(providers);
}

/** The same of these providers. */
export function namesOf(providers) {
  const find = (provider_id, operation_id) => findOperation(providers, { provider_id, operation_id });
  const provider = (id) => providerText(find(id).provider?.title ?? id);
  const operation = (id, operationId) => providerText(find(id, operationId).operation?.title ?? operationId);
  const setting = (id, operationId, name) => {
    const title = find(id, operationId).operation?.settings_schema.properties?.[name]?.title;
    return title ? providerText(title) : settingLabel(name);
  };
  return { provider, operation, setting, both: (id, operationId) => `${provider(id)} · ${operation(id, operationId)}` };
}
