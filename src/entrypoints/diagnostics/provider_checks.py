"""What `doctor` finds about providers: packages, keys, the slots that use them, and what their services say."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import timedelta

from ...core.domain.errors import InvalidSettings, PhotoChangerError
from ...core.domain.slot import RouteEntry, Slot
from ...core.ports.provider import (
    NotConfigured,
    Provider,
    ProviderError,
    ProviderInfo,
)
from ...core.services.providers.api_keys import ProviderKeys
from ...core.services.providers.registry import ProviderRegistry
from ..config import Settings, key_variable
from ..provider_plugins import SkippedPlugin
from .finding import Finding

DIAGNOSIS = timedelta(seconds=15)
"""How long the services that slots use are listened to, all of them together."""


async def configured_findings(
    *,
    slots: Collection[Slot],
    catalogue: ProviderRegistry,
    troubles: Collection[SkippedPlugin],
    keys: ProviderKeys,
    settings: Settings,
) -> list[Finding]:
    """Every finding about packages, stored keys and the active ones of these slots; no service is asked."""
    findings, _ = await _examined(slots, catalogue, troubles, keys, settings)
    return findings


async def provider_findings(
    *,
    slots: Collection[Slot],
    catalogue: ProviderRegistry,
    troubles: Collection[SkippedPlugin],
    keys: ProviderKeys,
    settings: Settings,
    patience: timedelta = DIAGNOSIS,
) -> list[Finding]:
    """The same, and what the services say that the active slots use."""
    findings, asked = await _examined(slots, catalogue, troubles, keys, settings)
    answers = [_diagnosis(provider, entries, patience) for provider, entries in asked.values()]
    for told in await asyncio.gather(*answers):
        findings += told
    return findings


async def _examined(
    slots: Collection[Slot],
    catalogue: ProviderRegistry,
    troubles: Collection[SkippedPlugin],
    keys: ProviderKeys,
    settings: Settings,
) -> tuple[list[Finding], dict[str, tuple[Provider, list[RouteEntry]]]]:
    """The findings, and the providers whose services can be asked, with the entries that name them, by id."""
    findings = [
        Finding(
            f"provider {trouble.id}",
            f"left out, offered by the package {trouble.package}: {trouble.reason}",
            "Update or remove the package.",
        )
        for trouble in troubles
    ]
    active = [slot for slot in slots if slot.active]
    used = _used(active, catalogue)
    unready = await _key_findings(keys, {id: provider.info for id, (provider, _) in used.items()})
    findings += unready.values()
    findings += [_slot(slot, catalogue, settings) for slot in active]
    asked = {id: by for id, by in used.items() if id not in unready and not by[0].info.on_this_machine}
    return findings, asked


def _used(slots: Collection[Slot], catalogue: ProviderRegistry) -> dict[str, tuple[Provider, list[RouteEntry]]]:
    """The providers that these slots use, with the entries that name them, by id."""
    entries: defaultdict[str, list[RouteEntry]] = defaultdict(list)
    for slot in slots:
        for entry in slot.route.entries:
            entries[entry.provider_id].append(entry)
    by_id = {provider.info.id: provider for provider in catalogue.all()}
    return {id: (by_id[id], found) for id, found in sorted(entries.items()) if id in by_id}


async def _key_findings(keys: ProviderKeys, used: Mapping[str, ProviderInfo]) -> dict[str, Finding]:
    """What is wrong with the keys that are stored, or that used providers need, by provider id."""
    findings: dict[str, Finding] = {}
    try:
        for provider_id in {*await keys.states(), *used}:
            part = f"key of {provider_id}"
            command = f"`photochanger providers set-key {provider_id}`"
            try:
                key = await keys.key(provider_id)
            except NotConfigured as error:
                mend = f"Set PHOTOCHANGER_SECRET_KEY as it was, or run {command}."
                findings[provider_id] = Finding(part, error.reason, mend)
                continue
            if key is None and used[provider_id].needs_key:
                mend = f"Run {command}, or set {key_variable(provider_id)}."
                findings[provider_id] = Finding(part, "missing, and an active slot uses this provider", mend)
    except PhotoChangerError as error:
        findings["keys"] = Finding("keys of providers", error.detail, "Check that PostgreSQL runs.")
    return dict(sorted(findings.items()))


def _slot(slot: Slot, catalogue: ProviderRegistry, settings: Settings) -> Finding:
    """Whether every entry of the slot's route can be used as it is configured."""
    if not slot.route.entries:
        return Finding(slot.id, f"{slot.name}: active, but its route is empty", "Give the slot a route.")
    for entry in slot.route.entries:
        try:
            provider, operation = catalogue.find(entry.provider_id, entry.operation_id)
            provider.check_settings(operation.id, entry.settings)
        except ProviderError as error:
            return Finding(slot.id, error.reason, "Change the slot's route, or install the provider's package.")
        except InvalidSettings as error:
            return Finding(slot.id, error.detail, "Change the slot's settings.")
        except Exception as error:  # a package's own fault must not end the examination
            return Finding(slot.id, f"{entry.provider_id} failed: {type(error).__name__}", "Update the package.")
        if provider.info.needs_public_url and settings.public_base_url is None:
            says = f"{entry.provider_id} fetches photos by public links, and no address of them is set"
            return Finding(slot.id, says, "Set PHOTOCHANGER_PUBLIC_BASE_URL to an address that the internet reaches.")
    route = " then ".join(f"{entry.provider_id}/{entry.operation_id}" for entry in slot.route.entries)
    return Finding(slot.id, f"{slot.name}: {route}")


async def _diagnosis(provider: Provider, entries: list[RouteEntry], patience: timedelta) -> list[Finding]:
    """What the provider's service says about these entries."""
    part = f"provider {provider.info.id}"
    mend = "Mend what it says, or change the slots that use it."
    try:
        async with asyncio.timeout(patience.total_seconds()):
            sentences = await provider.diagnose(entries)
    except TimeoutError:
        return [Finding(part, f"no answer within {patience.total_seconds():g} s", "Check the network and its address.")]
    except Exception as error:  # a package's own fault must not end the examination
        return [Finding(part, f"its diagnosis failed: {type(error).__name__}", "Update the package.")]
    return [Finding(part, sentence, mend) for sentence in sentences] or [Finding(part, "answers")]
