"""Admission by capacity: a photo becomes a job only if it can probably still be answered in its window (SPEC §3.2)."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from ...domain.deadlines import expires_at, route_ends_at
from ...domain.errors import BudgetExhausted, QueueFull, QueueUnavailable
from ...domain.job import Job, JobSpec
from ...domain.routing.capacity import EntryKey, Place, ProviderCapacity, QueueLoad, Schedule, Workers
from ...domain.routing.provider_usage import ProviderHealth
from ...domain.settings import AppSettings
from ...domain.slots.slot import FailureAnswer, Route, Slot
from ...domain.trace_context import Refusal
from ...domain.worker import URGENT_JOBS
from ...ports.clock import Clock
from ...ports.job_queue import JobQueue
from ...ports.telemetry import Telemetry
from ..costs.budgets import Budgets
from ..providers.registry import ProviderRegistry
from ..settings.service import SettingsService
from ..support.null_telemetry import NULL_TELEMETRY
from ..support.refreshing_value import RefreshingValue

_log = logging.getLogger("photochanger.jobs")

_TIMEOUT = timedelta(seconds=1)
"""How long a photo waits for the state of the queue; without it, it is admitted."""

_MAX_RETRY_SECONDS = 60


class _Reading(msgspec.Struct, frozen=True):
    """The load of the queue, and when its reading began."""

    began_at: timedelta
    load: QueueLoad


class _Booking:
    """A job that this process has admitted; `stored_at`: when its row was certainly there."""

    def __init__(self, entries: tuple[EntryKey, ...], place: Place) -> None:
        self.entries = entries
        self.place = place
        self.stored_at: timedelta | None = None


class JobAdmission:
    """Decides by a schedule of all live jobs, to which it adds those that it has admitted since the last reading.

    Where it cannot tell (no worker, no answer of the database, durations unknown), it admits: then the bound on active
    jobs and the workers decide.
    """

    def __init__(
        self,
        queue: JobQueue,
        providers: ProviderRegistry,
        settings: SettingsService,
        budgets: Budgets,
        clock: Clock,
        *,
        telemetry: Telemetry = NULL_TELEMETRY,
    ) -> None:
        self._queue = queue
        self._telemetry = telemetry
        self._budgets = budgets
        self._providers = providers
        self._settings = settings
        self._clock = clock
        self._load = RefreshingValue(self._read, clock, what="the load of the queue")
        self._bookings: list[_Booking] = []
        self._reading: _Reading | None = None
        self._schedule: Schedule | None = None

    async def require_capacity(self, slot: Slot, *, idempotency_key: str | None = None) -> None:
        """Raise QueueFull where a photo on this slot cannot be answered in time, and BudgetExhausted where a budget has
        no room for it, unless it may join an existing job."""
        if (exhausted := await self._budgets.refusal(slot)) is not None:
            await self._refuse(exhausted, slot, idempotency_key)
        settings = await self._settings.last_known()
        schedule = await self._current_schedule(settings)
        if schedule is None:
            return
        now = self._clock.now()
        place = self._place(schedule, slot.route, created_at=now, expires_at=expires_at(now, settings.sync_response))
        is_full = schedule.live(self._now()) >= settings.max_active_jobs
        if not is_full and place is not None:
            return
        refusal = self._refusal(schedule, slot.route, window=settings.sync_response, is_full=is_full)
        await self._refuse(refusal, slot, idempotency_key, reason=_reason(is_full=is_full))

    async def _refuse(
        self,
        refusal: QueueFull | BudgetExhausted,
        slot: Slot,
        idempotency_key: str | None,
        *,
        reason: Refusal | None = None,
    ) -> None:
        """Raise the refusal of a photo, unless it may join an existing job. `reason`: of a lack of capacity."""
        try:
            may_join = await self._queue.may_join(slot.id, idempotency_key=idempotency_key)
        except QueueUnavailable:  # decided when the job is stored, once the database is back
            return
        if not may_join:
            if reason is not None:
                self._telemetry.photo_refused(slot.id, reason)
            raise refusal

    async def enqueue(self, spec: JobSpec, *, max_active: int, asked: Collection[UUID] | None = None) -> Job:
        """Enqueue a job that has a place, with the entries of its route that can make its picture in time.

        Raises QueueFull where it has none; as the queue does, returns an existing job that does its work even then, and
        raises PhotoHeld.
        """
        schedule = await self._current_schedule(await self._settings.last_known())
        if schedule is None:
            try:
                return await self._queue.enqueue(spec, max_active=max_active, asked=asked)
            except QueueFull:
                self._note_refusal(spec.slot_id, is_full=True)
                raise
        place = self._place(schedule, spec.route, created_at=spec.created_at, expires_at=spec.expires_at)
        booking = None if place is None else self._book(schedule, spec, place)
        if place is not None and place.index > 0:
            spec = msgspec.structs.replace(spec, route=_from_entry(spec.route, place.index))
        try:
            job = await self._queue.enqueue(spec, max_active=0 if place is None else max_active, asked=asked)
        except BaseException as error:
            self._cancel(booking)
            if isinstance(error, QueueFull):
                window = spec.expires_at - spec.created_at
                self._note_refusal(spec.slot_id, is_full=place is not None)
                raise self._refusal(schedule, spec.route, window=window, is_full=place is not None) from None
            raise
        if booking is not None:
            if job.id == spec.id:
                booking.stored_at = self._clock.monotonic()
            else:
                self._cancel(booking)
        return job

    async def _current_schedule(self, settings: AppSettings) -> Schedule | None:
        """Return the schedule by the last reading; None where it cannot tell."""
        try:
            async with self._clock.timeout_at(self._clock.now() + _TIMEOUT):
                reading = await self._load.get()
        except (QueueUnavailable, TimeoutError) as error:
            _log.warning("photo admitted without an estimate of the queue: %s", error or "no answer in time")
            return None
        if reading is not self._reading or self._schedule is None:
            self._reading, self._schedule = reading, self._scheduled(reading, settings)
        return self._schedule if self._schedule.is_measurable else None

    async def _read(self) -> _Reading:
        began_at = self._clock.monotonic()
        return _Reading(began_at, await self._queue.load())

    def _scheduled(self, reading: _Reading, settings: AppSettings) -> Schedule:
        load, began_at = reading.load, reading.began_at
        schedule = Schedule(
            load,
            workers=Workers(sum(load.workers), URGENT_JOBS * len(load.workers)),
            providers=_capacities(self._providers, load.health, settings),
            at=began_at.total_seconds(),
        )
        self._bookings = [
            booking for booking in self._bookings if booking.stored_at is None or booking.stored_at >= began_at
        ]
        for booking in self._bookings:
            schedule.take(booking.entries, booking.place, skipped=booking.place.index > 0)
        return schedule

    def _place(self, schedule: Schedule, route: Route, *, created_at: datetime, expires_at: datetime) -> Place | None:
        ends_at = expires_at
        if route.failure_answer is not FailureAnswer.ERROR:
            ends_at = route_ends_at(expires_at, created_at)
        now = self._now()
        return schedule.place(
            _keys(route),
            window=(ends_at - created_at).total_seconds(),
            now=now,
            until=now + (ends_at - self._clock.now()).total_seconds(),
        )

    def _book(self, schedule: Schedule, spec: JobSpec, place: Place) -> _Booking:
        booking = _Booking(_keys(spec.route), place)
        self._bookings.append(booking)
        schedule.take(booking.entries, place, skipped=place.index > 0)
        return booking

    def _cancel(self, booking: _Booking | None) -> None:
        """Forget a job that was not stored; the schedule is made again without it."""
        if booking is not None and booking in self._bookings:
            self._bookings.remove(booking)
            self._schedule = None

    def _note_refusal(self, slot_id: str, *, is_full: bool) -> None:
        self._telemetry.photo_refused(slot_id, _reason(is_full=is_full))

    def _refusal(self, schedule: Schedule, route: Route, *, window: timedelta, is_full: bool) -> QueueFull:
        now = self._now()
        if route.failure_answer is not FailureAnswer.ERROR:
            window = route_ends_at(self._clock.now() + window, self._clock.now()) - self._clock.now()
        wait = schedule.wait_for_place(_keys(route), window=window.total_seconds(), now=now)
        if is_full:
            wait = max(wait, schedule.wait_for_end(now=now))
        seconds = min(max(math.ceil(wait), 1), _MAX_RETRY_SECONDS)
        return QueueFull(f"The queue is full. Retry in {seconds} s.", retry_after=seconds)

    def _now(self) -> float:
        return self._clock.monotonic().total_seconds()


def _capacities(
    registry: ProviderRegistry, health: Mapping[str, ProviderHealth], settings: AppSettings
) -> dict[str, ProviderCapacity]:
    capacities = {}
    for provider in registry.all():
        info, known = provider.info, health.get(provider.info.id, ProviderHealth())
        limit = settings.provider_limits.get(info.id, info.limit)
        capacities[info.id] = ProviderCapacity(
            permits=limit.max_concurrent,
            per_minute=limit.per_minute,
            calls_last_minute=known.calls_last_minute,
            local=info.on_this_machine,
            durations_ms=known.recent_ms,
        )
    return capacities


def _from_entry(route: Route, index: int) -> Route:
    return msgspec.structs.replace(route, entries=route.entries[index:], skipped=index)


def _keys(route: Route) -> tuple[EntryKey, ...]:
    return tuple((entry.provider_id, entry.operation_id) for entry in route.entries)


def _reason(*, is_full: bool) -> Refusal:
    return Refusal.MAX_ACTIVE if is_full else Refusal.NO_TIME
