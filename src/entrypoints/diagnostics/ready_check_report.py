"""The ready check as a stream of lines: the slots to test, the result of each, and the providers' quotas."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from ...core.domain.accounts import Actor
from ...core.domain.audit import AuditAction, audit_entry
from ...core.domain.errors import QueueUnavailable
from ...core.domain.routing.provider_usage import ProviderLimit, Standing
from ...core.domain.slots.slot import Slot
from ...core.domain.slots.slot_check import SlotCheck
from ...core.ports.clock import Clock
from ...core.ports.repositories.audit_log import AuditLog
from ...core.services.providers.checks import ProviderChecks
from ...core.services.slots.ready_check import ReadyCheck
from .provider_listing import ListedCheck, ListedKey, ListedProvider, ProviderListing

_log = logging.getLogger("photochanger.ready_check")


class CheckedSlot(msgspec.Struct, frozen=True):
    """A slot that will be tested."""

    slot_id: str
    name: str


class CheckStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The first line: the slots that will be tested."""

    kind: Literal["begin"] = "begin"
    at: datetime
    slots: tuple[CheckedSlot, ...]


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """A provider of the tested slots: key, limits, the remaining calls (None: no limit), the check of it."""

    id: str
    title: str
    slots: tuple[str, ...]
    key: ListedKey
    limits: ProviderLimit
    left_this_minute: int | None
    left_today: int | None
    standing: Standing | None
    check: ListedCheck | None


class CheckFinished(msgspec.Struct, frozen=True, kw_only=True):
    """The last line: how many slots are ready, and the providers' quotas; None if they are unknown.

    `ready`: there is an active slot, and all active slots are ready.
    """

    kind: Literal["end"] = "end"
    at: datetime
    ready: bool
    slots_ready: int
    slots_not_ready: int
    providers: tuple[Quota, ...] | None


Line = CheckStarted | SlotCheck | CheckFinished


def line_json(line: Line) -> bytes:
    """A line as JSON, without a line break."""
    if not isinstance(line, SlotCheck):
        return msgspec.json.encode(line)
    body = {"kind": "slot", "ready": line.ready, **msgspec.structs.asdict(line)}
    latency: timedelta | None = body.pop("latency")
    body["latency_ms"] = None if latency is None else round(latency / timedelta(milliseconds=1))
    return msgspec.json.encode(body)


@dataclass(frozen=True, kw_only=True)
class ReadyCheckStream:
    """Runs ready checks."""

    check: ReadyCheck
    providers: ProviderListing
    checks: ProviderChecks
    audit: AuditLog
    clock: Clock

    def require_idle(self) -> None:
        """Return if no check is running in this process; CheckRunning."""
        self.check.require_idle()

    async def slots(self) -> list[Slot]:
        """The active slots, which a check tests. QueueUnavailable."""
        return await self.check.active_slots()

    @asynccontextmanager
    async def lines(self, slots: Sequence[Slot], *, by: Actor) -> AsyncIterator[AsyncIterator[Line]]:
        """Test these slots; lines are yielded as they are known. CheckRunning.

        A check that runs to its end is recorded in the audit log.
        """
        photo = await asyncio.to_thread(_reference_photo)
        async with self.check.checking(slots, photo) as found, aclosing(self._lines(slots, found, by)) as lines:
            yield lines

    async def _lines(self, slots: Sequence[Slot], found: AsyncIterator[SlotCheck], by: Actor) -> AsyncGenerator[Line]:
        yield CheckStarted(at=self.clock.now(), slots=tuple(CheckedSlot(slot.id, slot.name) for slot in slots))
        ready = 0
        async for one in found:
            ready += one.ready
            yield one
        await self._record(by, ready, len(slots) - ready)
        yield CheckFinished(
            at=self.clock.now(),
            ready=0 < ready == len(slots),
            slots_ready=ready,
            slots_not_ready=len(slots) - ready,
            providers=await self._quotas(slots),
        )

    async def _record(self, by: Actor, ready: int, not_ready: int) -> None:
        """Note the outcome of a check; what it found is shown also if the database is away."""
        now = self.clock.now()
        entry = audit_entry(AuditAction.READY_CHECKED, by, now=now, slots_ready=ready, slots_not_ready=not_ready)
        try:
            await self.audit.append(entry)
        except QueueUnavailable as error:
            _log.warning("ready check: not recorded in the audit log: %s", error.detail)

    async def _quotas(self, slots: Sequence[Slot]) -> tuple[Quota, ...] | None:
        used = {entry.provider_id for slot in slots for entry in slot.route.entries}
        try:
            remote = [one.id for one in await self.providers.all() if one.id in used and not one.on_this_machine]
            await asyncio.gather(*(self.checks.check(provider_id) for provider_id in remote))
            listed = await self.providers.all()
        except QueueUnavailable as error:
            _log.warning("ready check: provider quotas unavailable: %s", error.detail)
            return None
        users = {
            one.id: tuple(slot.id for slot in slots if one.id in {entry.provider_id for entry in slot.route.entries})
            for one in listed
        }
        return tuple(_quota(one, users[one.id]) for one in listed if users[one.id])


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
        check=listed.check,
    )


def _left(limit: int | None, used: int) -> int | None:
    return None if limit is None else max(limit - used, 0)


def _reference_photo() -> bytes:
    from .sample_photos import reference_photo  # loads the image libraries, which the HTTP process does not need

    return reference_photo()
