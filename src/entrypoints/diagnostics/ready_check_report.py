"""The readiness check as it is told, line by line: what is tried, what was found of each slot, and of the providers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec

from ...core.domain.errors import QueueUnavailable
from ...core.domain.provider_usage import ProviderLimit
from ...core.domain.slot import Slot
from ...core.domain.slot_check import CheckOutcome, FailedAttempt, SlotCheck
from ...core.ports.clock import Clock
from ...core.ports.provider_limits import ProviderLimits
from ...core.services.providers.api_keys import ProviderKeys
from ...core.services.providers.registry import ProviderRegistry
from ...core.services.settings.service import SettingsService
from ...core.services.slots.ready_check import ReadyCheck
from ..config import Settings
from .provider_listing import (
    ListedKey,
    ListedProvider,
    ListedStanding,
    list_providers,
)
from .sample_photos import reference_photo

_log = logging.getLogger("photochanger.ready_check")

_MS = timedelta(milliseconds=1)


class CheckedSlot(msgspec.Struct, frozen=True):
    """A slot that is going to be tried."""

    slot_id: str
    name: str


class CheckStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The first line: what is going to be tried."""

    kind: Literal["begin"] = "begin"
    at: datetime
    slots: tuple[CheckedSlot, ...]


class SlotChecked(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one slot; SlotCheck tells what the fields are."""

    kind: Literal["slot"] = "slot"
    slot_id: str
    name: str
    ready: bool
    outcome: CheckOutcome
    latency_ms: int | None
    provider_id: str | None
    operation_id: str | None
    entry: int | None
    calls: int
    code: str | None
    detail: str | None
    troubles: tuple[FailedAttempt, ...]
    job_id: UUID | None


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """A provider of the slots that were tried: key, limits, and the calls that are left of them; None: no limit."""

    id: str
    title: str
    slots: tuple[str, ...]
    key: ListedKey
    limits: ProviderLimit
    left_this_minute: int | None
    left_today: int | None
    standing: ListedStanding | None


class CheckFinished(msgspec.Struct, frozen=True, kw_only=True):
    """The last line: how many slots are ready, and how the providers stand then; None where that cannot be told.

    `ready`: there is an active slot, and all of them are.
    """

    kind: Literal["end"] = "end"
    at: datetime
    ready: bool
    slots_ready: int
    slots_not_ready: int
    providers: tuple[Quota, ...] | None


Line = CheckStarted | SlotChecked | CheckFinished


@dataclass(frozen=True, kw_only=True)
class ReadyCheckStream:
    """Runs checks and tells of them."""

    check: ReadyCheck
    catalogue: ProviderRegistry
    keys: ProviderKeys
    limits: ProviderLimits
    settings: SettingsService
    clock: Clock
    configured: Settings

    def require_idle(self) -> None:
        """CheckRunning while a check is under way in this process."""
        self.check.require_idle()

    async def slots(self) -> list[Slot]:
        """What a check tries: the active slots. QueueUnavailable."""
        return await self.check.active_slots()

    @asynccontextmanager
    async def lines(self, slots: Sequence[Slot]) -> AsyncIterator[AsyncIterator[Line]]:
        """Try these slots; the lines come as they are known. CheckRunning."""
        photo = await asyncio.to_thread(reference_photo)
        async with self.check.checking(slots, photo) as found, aclosing(self._lines(slots, found)) as lines:
            yield lines

    async def _lines(self, slots: Sequence[Slot], found: AsyncIterator[SlotCheck]) -> AsyncGenerator[Line]:
        yield CheckStarted(at=self.clock.now(), slots=tuple(CheckedSlot(slot.id, slot.name) for slot in slots))
        ready = 0
        async for one in found:
            ready += one.ready
            yield _slot_line(one)
        yield CheckFinished(
            at=self.clock.now(),
            ready=0 < ready == len(slots),
            slots_ready=ready,
            slots_not_ready=len(slots) - ready,
            providers=await self._quotas(slots),
        )

    async def _quotas(self, slots: Sequence[Slot]) -> tuple[Quota, ...] | None:
        try:
            listed = await list_providers(
                self.catalogue.all(),
                keys=self.keys,
                limits=self.limits,
                settings=self.settings,
                base_urls=self.configured.provider_base_urls,
            )
        except QueueUnavailable as error:
            _log.warning("the check cannot tell how the providers stand: %s", error.detail)
            return None
        users = {
            one.id: tuple(slot.id for slot in slots if one.id in {entry.provider_id for entry in slot.route.entries})
            for one in listed
        }
        return tuple(_quota(one, users[one.id]) for one in listed if users[one.id])


def _slot_line(one: SlotCheck) -> SlotChecked:
    return SlotChecked(
        slot_id=one.slot_id,
        name=one.name,
        ready=one.ready,
        outcome=one.outcome,
        latency_ms=None if one.latency is None else round(one.latency / _MS),
        provider_id=one.provider_id,
        operation_id=one.operation_id,
        entry=one.entry,
        calls=one.calls,
        code=one.code,
        detail=one.detail,
        troubles=one.troubles,
        job_id=one.job_id,
    )


def _quota(listed: ListedProvider, slots: tuple[str, ...]) -> Quota:
    standing = listed.standing
    return Quota(
        id=listed.id,
        title=listed.title,
        slots=slots,
        key=listed.key,
        limits=listed.limits,
        left_this_minute=_left(listed.limits.per_minute, standing.calls_last_minute if standing else 0),
        left_today=_left(listed.limits.per_day, standing.calls_today if standing else 0),
        standing=standing,
    )


def _left(limit: int | None, used: int) -> int | None:
    return None if limit is None else max(limit - used, 0)
