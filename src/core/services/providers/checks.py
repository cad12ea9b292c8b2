"""Checks of providers: whether the service takes the key and has the models that slots use, without a picture."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from ...domain.errors import ProviderNotFound
from ...domain.outside_text import MAX_ITEMS, cut
from ...domain.routing.provider_check import ProviderCheck, ProviderFinding, ProviderFindingCode
from ...domain.slots.slot import RouteEntry
from ...ports.clock import Clock
from ...ports.provider import Provider, ProviderInfo
from ...ports.repositories.provider_checks import ProviderCheckRepository
from ...ports.repositories.slot_repository import SlotRepository
from .registry import ProviderRegistry

CHECK_TIMEOUT = timedelta(seconds=15)

MIN_INTERVAL = timedelta(seconds=2)
"""A check that is younger than this is returned instead of a new one, so that clicks do not flood a service."""

_MAX_MODEL_CHARS = 80


class ProviderChecks:
    """Checks providers and keeps the results, which all hosts show."""

    def __init__(
        self, providers: ProviderRegistry, slots: SlotRepository, checks: ProviderCheckRepository, clock: Clock
    ) -> None:
        self._providers = providers
        self._slots = slots
        self._checks = checks
        self._clock = clock
        self._checking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def last(self) -> dict[str, ProviderCheck]:
        """The last check of each provider that was checked, by id. QueueUnavailable."""
        return {check.provider_id: check for check in await self._checks.all()}

    async def check(self, provider_id: str) -> ProviderCheck:
        """Check a provider with the entries of active slots, or with its defaults if none uses it, and keep the result.

        Takes at most CHECK_TIMEOUT. ProviderNotFound, QueueUnavailable.
        """
        provider = next((one for one in self._providers.all() if one.info.id == provider_id), None)
        if provider is None:
            raise ProviderNotFound(f"There is no provider {provider_id[:64]!r}.")
        async with self._checking[provider_id]:
            last = (await self.last()).get(provider_id)
            if last is not None and timedelta(0) <= self._clock.now() - last.checked_at < MIN_INTERVAL:
                return last
            active = [slot for slot in await self._slots.all() if slot.active]
            used = [entry for slot in active for entry in slot.route.entries if entry.provider_id == provider_id]
            defaults = [RouteEntry(provider_id, operation.id) for operation in provider.info.operations[:1]]
            return await self.check_entries(provider, used or defaults)

    async def check_entries(
        self, provider: Provider, entries: Sequence[RouteEntry], *, timeout: timedelta = CHECK_TIMEOUT
    ) -> ProviderCheck:
        """Check a provider with these entries and keep the result. QueueUnavailable."""
        findings = await findings_of(provider, entries, timeout=timeout)
        check = ProviderCheck(
            provider_id=provider.info.id,
            checked_at=self._clock.now(),
            models=tuple(_models(provider.info, entries)),
            findings=tuple(findings),
        )
        await self._checks.put(check)
        return check


async def findings_of(
    provider: Provider, entries: Collection[RouteEntry], *, timeout: timedelta = CHECK_TIMEOUT
) -> list[ProviderFinding]:
    """What a provider finds at its service; a provider that hangs or fails is a finding too."""
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            return (await provider.diagnose(entries))[:MAX_ITEMS]
    except TimeoutError:
        detail = f"no response within {timeout.total_seconds():g} s"
        return [ProviderFinding(code=ProviderFindingCode.UNREACHABLE, detail=detail)]
    except Exception as error:  # a fault of a package must not end the checks
        detail = f"its check failed: {type(error).__name__}"
        return [ProviderFinding(code=ProviderFindingCode.BROKEN, detail=detail)]


def _models(info: ProviderInfo, entries: Collection[RouteEntry]) -> list[str]:
    """The models that entries name, or the defaults of their operations."""
    named = {entry.settings.get("model", _default_model(info, entry.operation_id)) for entry in entries}
    return sorted({cut(name, _MAX_MODEL_CHARS) for name in named if isinstance(name, str)})[:MAX_ITEMS]


def _default_model(info: ProviderInfo, operation_id: str) -> Any:
    operation = info.operation(operation_id)
    properties = operation.settings_schema.get("properties", {}) if operation else {}
    schema = properties.get("model", {}) if isinstance(properties, dict) else {}
    return schema.get("default") if isinstance(schema, dict) else None
