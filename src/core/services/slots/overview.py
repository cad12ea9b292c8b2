"""The overview of all slots on an evening: their health, the last hour and today, the providers, the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime, time

import msgspec

from ...domain.audit import AuditAction, AuditEntry
from ...domain.routing.provider_usage import Breaker, ProviderHealth, ProviderState, Standing
from ...domain.slots.activity import Activity, LiveJobs, NewestPicture, lately_since
from ...domain.slots.slot import RouteEntry, Slot
from ...domain.slots.slot_health import SlotHealth, SlotIssue, SlotIssueCode, SlotState, condition_of
from ...domain.stats.summary import StatsSummary, success_rate
from ...domain.stats.time_ranges import Period, TimeRange, time_range, time_zone
from ...ports.clock import Clock
from ...ports.provider import NotConfigured, Rejected
from ...ports.provider_limits import ProviderLimits
from ...ports.repositories.audit_log import AuditLog
from ...ports.repositories.slot_repository import SlotRepository
from ..providers.api_keys import ProviderKeys
from ..providers.registry import ProviderRegistry
from ..stats.service import MAX_RANGE_OF_SLOT
from ..stats.today import TodayBySlot
from ..support.shared_reading import SharedReading
from .recent_jobs import RecentJobReader, RecentJobs

_MAX_ZONES = 32
"""Time zones of which the readings are shared."""

_NOTHING = Activity()
_NONE_LIVE = LiveJobs()


class SlotSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One slot: `newest` is its newest picture that still exists; `today` counts from the reset mark, no latency."""

    slot: Slot
    condition: SlotHealth
    newest: NewestPicture | None
    last_photo_at: datetime | None
    live: LiveJobs
    activity: Activity
    today: StatsSummary


class LastMinutes(msgspec.Struct, frozen=True, kw_only=True):
    """All slots together since a moment.

    Attributes:
        photos: that ended since then, or are under way.
        pictures, fallbacks, failed: the outcomes that the success rate counts.
        success_rate: None without any of these.
        p50_ms: the median latency of the pictures; None without any.
    """

    since: datetime
    photos: int
    pictures: int
    fallbacks: int
    failed: int
    success_rate: float | None
    p50_ms: int | None


class UsedProvider(msgspec.Struct, frozen=True, kw_only=True):
    """A provider in the routes of active slots: their number, its last calls, and why it cannot be used now."""

    id: str
    title: str
    slots: int
    standing: Standing
    issue: SlotIssue | None


class LastReadyCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of the newest ready check that ran to its end."""

    at: datetime
    ready: bool
    slots_ready: int
    slots_not_ready: int


class EveningView(msgspec.Struct, frozen=True, kw_only=True):
    """The slots by id, and what they have in common."""

    slots: tuple[SlotSummary, ...]
    live: LiveJobs
    last_minutes: LastMinutes
    providers: tuple[UsedProvider, ...]
    ready_check: LastReadyCheck | None


class Overview:
    """Reads the state of all slots; neither the number of queries nor of the jobs that they read grows in an evening.

    Readers of one process share readings: there is at most one at a time for each time zone.
    """

    def __init__(
        self,
        slots: SlotRepository,
        recent: RecentJobReader,
        today: TodayBySlot,
        *,
        limits: ProviderLimits,
        keys: ProviderKeys,
        providers: ProviderRegistry,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._slots = slots
        self._recent = recent
        self._today = today
        self._limits = limits
        self._keys = keys
        self._providers = providers
        self._audit = audit
        self._clock = clock
        self._readings: dict[str, SharedReading[EveningView]] = {}

    async def get(self, *, zone: str) -> EveningView:
        """The view as it is now; today starts at midnight in this IANA time zone. InvalidRequest, QueueUnavailable."""
        name = time_zone(zone).key
        reading = self._readings.pop(name, None) or SharedReading(lambda: self._read(name))
        self._readings[name] = reading
        while len(self._readings) > _MAX_ZONES:
            del self._readings[next(iter(self._readings))]
        return await reading.get()

    async def _read(self, zone: str) -> EveningView:
        today = _today(zone, self._clock.now())
        slots = await self._slots.all()
        used = [entry for slot in slots if slot.active for entry in slot.route.entries]
        recent, standings, counted, issues_of_keys, checks = await asyncio.gather(
            self._recent.read(),
            self._limits.health(),
            self._today.get(today.bounds[0], today.bounds[-1], slots),
            self._keyless({entry.provider_id for entry in used}),
            self._audit.find(limit=1, action=AuditAction.READY_CHECKED),
        )
        routes = _Routes(self._providers, standings, issues_of_keys)
        # Of many slots it takes too long for an event loop.
        return await asyncio.to_thread(_view, slots, recent, counted, routes, _ready_check(checks.items))

    async def _keyless(self, used: Collection[str]) -> dict[str, SlotIssue]:
        """The issue of each of these providers that lacks a usable key."""
        found: dict[str, SlotIssue] = {}
        for provider in self._providers.all():
            id = provider.info.id
            if id in used and provider.info.needs_key:
                try:
                    if await self._keys.key(id) is None:
                        found[id] = SlotIssue(SlotIssueCode.KEY_MISSING, {"provider": id})
                except NotConfigured:
                    found[id] = SlotIssue(SlotIssueCode.KEY_UNREADABLE, {"provider": id})
        return found


class _Routes:
    """Why entries of routes cannot work now; each operation is looked at once, however many slots use it."""

    def __init__(
        self, providers: ProviderRegistry, standings: Mapping[str, ProviderHealth], keyless: Mapping[str, SlotIssue]
    ) -> None:
        self._providers = providers
        self._standings = standings
        self._keyless = keyless
        self._titles = {provider.info.id: provider.info.title for provider in providers.all()}
        self._issues: dict[tuple[str, str], SlotIssue | None] = {}

    def issues(self, entries: Collection[RouteEntry]) -> list[SlotIssue | None]:
        """The issue of each entry; None where it can work."""
        found = []
        for entry in entries:
            key = entry.provider_id, entry.operation_id
            if key not in self._issues:
                self._issues[key] = self._operation_issue(*key)
            found.append(self._issues[key])
        return found

    def used(self, slots: Collection[Slot]) -> tuple[UsedProvider, ...]:
        """The providers in the routes of these slots, by id."""
        users: dict[str, int] = {}
        for slot in slots:
            for provider_id in {entry.provider_id for entry in slot.route.entries}:
                users[provider_id] = users.get(provider_id, 0) + 1
        return tuple(
            UsedProvider(
                id=provider_id,
                title=self._titles.get(provider_id, provider_id),
                slots=count,
                standing=self._standings.get(provider_id, ProviderHealth()).standing,
                issue=self._provider_issue(provider_id),
            )
            for provider_id, count in sorted(users.items())
        )

    def _operation_issue(self, provider_id: str, operation_id: str) -> SlotIssue | None:
        if provider_id in self._titles:
            try:
                self._providers.find(provider_id, operation_id)
            except Rejected:
                params = {"provider": provider_id, "operation": operation_id}
                return SlotIssue(SlotIssueCode.OPERATION_UNKNOWN, params)
        return self._provider_issue(provider_id)

    def _provider_issue(self, provider_id: str) -> SlotIssue | None:
        if provider_id not in self._titles:
            return SlotIssue(SlotIssueCode.PROVIDER_UNKNOWN, {"provider": provider_id})
        standing = self._standings.get(provider_id)
        if standing is not None and standing.breaker is not Breaker.CLOSED:  # half-open: nothing has succeeded yet
            return SlotIssue(SlotIssueCode.CIRCUIT_OPEN, {"provider": provider_id})
        if standing is not None and standing.state is ProviderState.FAILING:
            counts = {"count": standing.last_pictures, "total": standing.last_calls}
            return SlotIssue(SlotIssueCode.PROVIDER_FAILING, {"provider": provider_id, **counts})
        return self._keyless.get(provider_id)


def _view(
    slots: Collection[Slot],
    recent: RecentJobs,
    today: Mapping[str, StatsSummary],
    routes: _Routes,
    ready_check: LastReadyCheck | None,
) -> EveningView:
    return EveningView(
        slots=tuple(_summary(slot, recent, routes, today[slot.id]) for slot in slots),
        live=LiveJobs(
            sum(one.pending for one in recent.records.live.values()),
            sum(one.processing for one in recent.records.live.values()),
        ),
        last_minutes=_last_minutes(recent),
        providers=routes.used([slot for slot in slots if slot.active]),
        ready_check=ready_check,
    )


def _summary(slot: Slot, recent: RecentJobs, routes: _Routes, today: StatsSummary) -> SlotSummary:
    activity = recent.activities.get(slot.id, _NOTHING)
    condition = SlotHealth(SlotState.OFF)
    if slot.active:
        condition = condition_of(routes.issues(slot.route.entries), activity.lately)
    return SlotSummary(
        slot=slot,
        condition=condition,
        newest=recent.records.newest.get(slot.id),
        last_photo_at=recent.records.last_photos.get(slot.id),
        live=recent.records.live.get(slot.id, _NONE_LIVE),
        activity=activity,
        today=today,
    )


def _last_minutes(recent: RecentJobs) -> LastMinutes:
    activities = recent.activities.values()
    pictures = sum(one.pictures for one in activities)
    fallbacks = sum(one.fallbacks for one in activities)
    failed = sum(one.failed for one in activities)
    live = sum(one.pending + one.processing for one in recent.records.live.values())
    return LastMinutes(
        since=lately_since(recent.now),
        photos=sum(one.ended for one in activities) + live,
        pictures=pictures,
        fallbacks=fallbacks,
        failed=failed,
        success_rate=success_rate(pictures, of=pictures + fallbacks + failed),
        p50_ms=recent.p50_ms,
    )


def _ready_check(entries: Collection[AuditEntry]) -> LastReadyCheck | None:
    for entry in entries:
        counts = entry.detail
        return LastReadyCheck(
            at=entry.at,
            ready=counts["slots_not_ready"] == 0 < counts["slots_ready"],
            slots_ready=counts["slots_ready"],
            slots_not_ready=counts["slots_not_ready"],
        )
    return None


def _today(zone: str, now: datetime) -> TimeRange:
    """From midnight to the end of the current quarter hour."""
    there = time_zone(zone)
    midnight = datetime.combine(now.astimezone(there).date(), time())
    # A range that ends now would be empty at midnight.
    until = now + datetime.resolution
    return time_range(
        midnight, until, period=Period.DAY, zone=there, now=now, longest=MAX_RANGE_OF_SLOT, usual=MAX_RANGE_OF_SLOT
    )
