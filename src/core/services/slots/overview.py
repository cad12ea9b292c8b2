"""The overview of all slots: health, newest picture, and today's statistics."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, time

import msgspec

from ...domain.job import Job
from ...domain.routing.provider_usage import Breaker, ProviderHealth, ProviderState
from ...domain.slots.slot import RouteEntry, Slot
from ...domain.slots.slot_health import (
    LATELY,
    RecentOutcomes,
    SlotHealth,
    SlotIssue,
    SlotIssueCode,
    SlotState,
    condition_of,
)
from ...domain.stats.summary import StatsSummary
from ...domain.stats.time_ranges import Period, TimeRange, time_range, time_zone
from ...ports.clock import Clock
from ...ports.provider import NotConfigured, Rejected
from ...ports.provider_limits import ProviderLimits
from ...ports.repositories.job_repository import JobRepository
from ...ports.repositories.result_index import ResultIndex
from ...ports.repositories.slot_repository import SlotRepository
from ..providers.api_keys import ProviderKeys
from ..providers.registry import ProviderRegistry
from ..stats.service import MAX_RANGE_OF_SLOT, StatsQueries


class SlotSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One slot: `last_result` is the newest job whose picture still exists; `today` counts from the reset mark."""

    slot: Slot
    condition: SlotHealth
    last_result: Job | None
    today: StatsSummary


class Overview:
    """Reads the state of all slots with a number of queries that does not depend on the number of slots."""

    def __init__(
        self,
        slots: SlotRepository,
        jobs: JobRepository,
        stats: StatsQueries,
        *,
        results: ResultIndex,
        limits: ProviderLimits,
        keys: ProviderKeys,
        providers: ProviderRegistry,
        clock: Clock,
    ) -> None:
        self._slots = slots
        self._jobs = jobs
        self._stats = stats
        self._results = results
        self._limits = limits
        self._keys = keys
        self._providers = providers
        self._clock = clock

    async def get(self, *, zone: str) -> list[SlotSummary]:
        """Every slot, by id; today starts at midnight in this IANA time zone. InvalidRequest, QueueUnavailable."""
        now = self._clock.now()
        today = _today(zone, now)
        slots, standings, newest, last = await asyncio.gather(
            self._slots.all(),
            self._limits.health(),
            self._results.newest(now=now),
            self._jobs.last_jobs(since=now - LATELY),
        )
        counted, keyless = await asyncio.gather(
            self._stats.since_marks(today.bounds[0], today.bounds[-1], slots),
            self._keyless({entry.provider_id for slot in slots for entry in slot.route.entries}),
        )
        return [
            SlotSummary(
                slot=slot,
                condition=self._condition(slot, keyless, standings, last.get(slot.id, RecentOutcomes())),
                last_result=newest.get(slot.id),
                today=counted[slot.id],
            )
            for slot in slots
        ]

    def _condition(
        self,
        slot: Slot,
        keyless: Mapping[str, SlotIssue],
        standings: Mapping[str, ProviderHealth],
        last: RecentOutcomes,
    ) -> SlotHealth:
        if not slot.active:
            return SlotHealth(SlotState.OFF)
        return condition_of([self._issue(entry, keyless, standings) for entry in slot.route.entries], last)

    def _issue(
        self, entry: RouteEntry, keyless: Mapping[str, SlotIssue], standings: Mapping[str, ProviderHealth]
    ) -> SlotIssue | None:
        """Why this entry cannot work now."""
        try:
            self._providers.find(entry.provider_id, entry.operation_id)
        except Rejected:
            known = entry.provider_id in {provider.info.id for provider in self._providers.all()}
            params = {"provider": entry.provider_id, "operation": entry.operation_id}
            return SlotIssue(SlotIssueCode.OPERATION_UNKNOWN if known else SlotIssueCode.PROVIDER_UNKNOWN, params)
        standing = standings.get(entry.provider_id)
        if standing is not None and standing.breaker is not Breaker.CLOSED:  # half-open: nothing has succeeded yet
            return SlotIssue(SlotIssueCode.CIRCUIT_OPEN, {"provider": entry.provider_id})
        if standing is not None and standing.state is ProviderState.FAILING:
            counts = {"count": standing.last_pictures, "total": standing.last_calls}
            return SlotIssue(SlotIssueCode.PROVIDER_FAILING, {"provider": entry.provider_id, **counts})
        return keyless.get(entry.provider_id)

    async def _keyless(self, used: set[str]) -> dict[str, SlotIssue]:
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


def _today(zone: str, now: datetime) -> TimeRange:
    """From midnight to the end of the current quarter hour."""
    there = time_zone(zone)
    midnight = datetime.combine(now.astimezone(there).date(), time())
    # A range that ends now would be empty at midnight.
    until = now + datetime.resolution
    return time_range(
        midnight, until, period=Period.DAY, zone=there, now=now, longest=MAX_RANGE_OF_SLOT, usual=MAX_RANGE_OF_SLOT
    )
