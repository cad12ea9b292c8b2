"""Checks of providers: packages, keys, the slots that use them, and checks of their services."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import timedelta

from ...core.domain.errors import InvalidSettings, PhotoChangerError
from ...core.domain.routing.provider_check import ProviderFindingCode
from ...core.domain.slots.slot import RouteEntry, Slot
from ...core.ports.provider import NotConfigured, Provider, ProviderError, ProviderInfo
from ...core.services.providers.api_keys import ProviderKeys
from ...core.services.providers.checks import CHECK_TIMEOUT, ProviderChecks
from ...core.services.providers.registry import ProviderRegistry
from ..config import Settings, key_variable
from ..provider_plugins import SkippedPlugin
from .finding import Finding, FindingCode


async def configured_findings(
    *,
    slots: Collection[Slot],
    catalogue: ProviderRegistry,
    skipped: Collection[SkippedPlugin],
    keys: ProviderKeys,
    settings: Settings,
) -> list[Finding]:
    """Findings on packages, stored keys and the active slots, without requests to providers' services."""
    findings, _ = await _examined(slots, catalogue, skipped, keys, settings)
    return findings


async def provider_findings(
    *,
    slots: Collection[Slot],
    catalogue: ProviderRegistry,
    skipped: Collection[SkippedPlugin],
    keys: ProviderKeys,
    settings: Settings,
    checks: ProviderChecks,
    timeout: timedelta = CHECK_TIMEOUT,
) -> list[Finding]:
    """`configured_findings` and the checks of the services that active slots use."""
    findings, asked = await _examined(slots, catalogue, skipped, keys, settings)
    diagnoses = [_diagnosis(provider, entries, checks, timeout) for provider, entries in asked.values()]
    return findings + [finding for found in await asyncio.gather(*diagnoses) for finding in found]


async def _examined(
    slots: Collection[Slot],
    catalogue: ProviderRegistry,
    skipped: Collection[SkippedPlugin],
    keys: ProviderKeys,
    settings: Settings,
) -> tuple[list[Finding], dict[str, tuple[Provider, list[RouteEntry]]]]:
    """The findings, and by ID the providers whose services can be asked, with the route entries that use them."""
    findings = [
        Finding(
            f"provider {plugin.id}",
            f"skipped, from the package {plugin.package}: {plugin.reason}",
            "Update or remove the package.",
        ).coded(FindingCode.PLUGIN_SKIPPED, package=plugin.package, reason=plugin.reason)
        for plugin in skipped
    ]
    active = [slot for slot in slots if slot.active]
    used = _used(active, catalogue)
    unready = await _key_findings(keys, {id: provider.info for id, (provider, _) in used.items()})
    findings += unready.values()
    findings += [_slot(slot, catalogue, settings) for slot in active]
    return findings, {id: by for id, by in used.items() if id not in unready}


def _used(slots: Collection[Slot], catalogue: ProviderRegistry) -> dict[str, tuple[Provider, list[RouteEntry]]]:
    """The providers that these slots use, by ID, with their route entries."""
    entries: defaultdict[str, list[RouteEntry]] = defaultdict(list)
    for slot in slots:
        for entry in slot.route.entries:
            entries[entry.provider_id].append(entry)
    by_id = {provider.info.id: provider for provider in catalogue.all()}
    return {id: (by_id[id], found) for id, found in sorted(entries.items()) if id in by_id}


async def _key_findings(keys: ProviderKeys, used: Mapping[str, ProviderInfo]) -> dict[str, Finding]:
    """Problems of stored keys and of keys that used providers need, by provider ID."""
    findings: dict[str, Finding] = {}
    try:
        for provider_id in {*await keys.states(), *used}:
            part = f"key of {provider_id}"
            command = f"`photochanger providers set-key {provider_id}`"
            try:
                key = await keys.key(provider_id)
            except NotConfigured as error:
                fix = f"Restore PHOTOCHANGER_SECRET_KEY, or run {command}."
                found = Finding(part, error.reason, fix)
                findings[provider_id] = found.coded(FindingCode.KEY_UNREADABLE, provider=provider_id)
                continue
            if key is None and used[provider_id].needs_key:
                fix = f"Run {command}, or set {key_variable(provider_id)}."
                found = Finding(part, "missing, and an active slot uses this provider", fix)
                params = {"provider": provider_id, "variable": key_variable(provider_id)}
                findings[provider_id] = found.coded(FindingCode.KEY_MISSING, **params)
    except PhotoChangerError as error:
        found = Finding("keys of providers", error.detail, "Check that PostgreSQL is running.")
        findings["keys"] = found.coded(FindingCode.KEYS_UNKNOWN, reason=error.detail)
    return dict(sorted(findings.items()))


def _slot(slot: Slot, catalogue: ProviderRegistry, settings: Settings) -> Finding:
    """Whether every entry of the slot's route can be used as configured."""
    if not slot.route.entries:
        found = Finding(slot.id, f"{slot.name}: active, but its route is empty", "Add a route to the slot.")
        return found.coded(FindingCode.SLOT_ROUTE_EMPTY, name=slot.name)
    for entry in slot.route.entries:
        try:
            provider, operation = catalogue.find(entry.provider_id, entry.operation_id)
            provider.check_settings(operation.id, entry.settings)
        except ProviderError as error:
            found = Finding(slot.id, error.reason, "Change the slot's route, or install the provider's package.")
            params = {"provider": entry.provider_id, "operation": entry.operation_id}
            return found.coded(FindingCode.SLOT_UNUSABLE, name=slot.name, **params)
        except InvalidSettings as error:
            found = Finding(slot.id, error.detail, "Change the slot's settings.")
            return found.coded(FindingCode.SLOT_INVALID, name=slot.name)
        except Exception as error:  # a fault of a package must not end the checks
            found = Finding(slot.id, f"{entry.provider_id} failed: {type(error).__name__}", "Update the package.")
            return found.coded(FindingCode.SLOT_CRASHED, name=slot.name, provider=entry.provider_id)
        if provider.info.needs_public_url and settings.public_base_url is None:
            says = f"{entry.provider_id} fetches photos by public links, which have no address"
            fix = "Set PHOTOCHANGER_PUBLIC_BASE_URL to an address reachable from the internet."
            params = {"name": slot.name, "provider": entry.provider_id}
            return Finding(slot.id, says, fix).coded(FindingCode.SLOT_NEEDS_PUBLIC_URL, **params)
    route = " then ".join(f"{entry.provider_id}/{entry.operation_id}" for entry in slot.route.entries)
    return Finding(slot.id, f"{slot.name}: {route}").coded(FindingCode.SLOT_READY, name=slot.name, route=route)


async def _diagnosis(
    provider: Provider, entries: list[RouteEntry], checks: ProviderChecks, timeout: timedelta
) -> list[Finding]:
    """The check of the provider's service for these entries, whose result all hosts show."""
    part = f"provider {provider.info.id}"
    try:
        check = await checks.check_entries(provider, entries, timeout=timeout)
    except PhotoChangerError as error:
        return [Finding(part, f"cannot be checked: {error.detail}", "Check that PostgreSQL is running.")]
    if provider.info.on_this_machine and not check.findings:
        return []  # There is no service to name.
    shown = [Finding(part, found.detail, _fix(found.code, provider.info.id)) for found in check.findings]
    return shown or [Finding(part, "works")]


def _fix(code: ProviderFindingCode, provider_id: str) -> str | None:
    """What to do about a finding of a provider; None where nothing is wrong."""
    match code:
        case ProviderFindingCode.MODEL_NOT_CHECKED:
            return None
        case ProviderFindingCode.KEY_MISSING | ProviderFindingCode.KEY_UNREADABLE | ProviderFindingCode.KEY_REFUSED:
            return f"Set the key again: `photochanger providers set-key {provider_id}`."
        case (
            ProviderFindingCode.MODEL_UNKNOWN | ProviderFindingCode.MODEL_RETIRED | ProviderFindingCode.MODEL_DEPRECATED
        ):
            return "Choose another model in the slots that use it."
        case ProviderFindingCode.UNREACHABLE:
            return "Check the network and the provider's address."
        case ProviderFindingCode.QUOTA_EXHAUSTED:
            return "Raise the quota, or add credit at the service."
        case ProviderFindingCode.BROKEN:
            return "Update the package."
        case _:
            return "Fix the reported problem, or change the slots that use the provider."
