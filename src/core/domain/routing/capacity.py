"""Capacity: when the jobs ahead will have ended, and whether one more photo can still be answered in its window.

A `Schedule` places every live job, oldest first, on the worker that is free first, as the workers themselves will. It
knows the workers' concurrency, the limits of the providers, and how long calls usually take. Moments and durations in
here are seconds of `Clock.monotonic()`.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec

from .durations import UNKNOWN, UsualDuration, usual_duration
from .provider_usage import ProviderHealth

EntryKey = tuple[str, str]
"""Provider and operation of a route's entry."""

MAX_JOBS = 1000
"""How many live jobs are placed one by one; with more the bound on active jobs decides."""

MAX_FINISHED = 64
FINISHED_SINCE = timedelta(minutes=15)
"""How many ended jobs, and of what time, tell how long workers have a job."""

FRESH_SHARE = 0.85
"""A job with at least this share of its window left is begun whatever calls take usually: so a provider that has become
faster is noticed, and a usual duration beyond the window does not refuse photos for ever."""

FINISHING_SHARE = 0.02
"""The share of the window that is kept for preparing the photo and storing the picture, around the provider's call."""

_MARGIN = 2.5
"""How much more than that a new job must have, so that it is not lost where the jobs ahead take a little longer."""

_RESERVE = 6.0
"""Time kept for a fallback of unknown duration; at most a fifth of the window."""

_OVERDUE_SHARE = 0.25
"""How much longer a job is expected to take that has taken longer than usual, as a share of what it has taken."""


class QueuedJob(msgspec.Struct, frozen=True):
    """A live job.

    Attributes:
        entries: its route.
        window, left: its window, and what is left of it.
        running: how long a worker has had it; None while it is pending.
    """

    entries: tuple[EntryKey, ...]
    window: float
    left: float
    running: float | None = None


class QueueLoad(msgspec.Struct, frozen=True):
    """What there is to do, and who does it.

    Attributes:
        jobs: the oldest MAX_JOBS live jobs, oldest first.
        live: how many live jobs there are.
        workers: the concurrency of each live worker.
        health: the health of the providers by id.
        finished_ms: how long workers had the last jobs that ended with a picture, by the entry that made it.
    """

    jobs: tuple[QueuedJob, ...] = ()
    live: int = 0
    workers: tuple[int, ...] = ()
    health: dict[str, ProviderHealth] = {}
    finished_ms: dict[EntryKey, tuple[int, ...]] = {}


class ProviderCapacity(msgspec.Struct, frozen=True):
    """What bounds the calls to a provider.

    Attributes:
        permits: its limit on concurrent calls; None: no limit.
        per_minute: its limit on calls per minute; None: no limit.
        calls_last_minute: what counts for that limit now.
        local: whether it works on this machine.
        durations_ms: of the last calls by operation, newest last.
    """

    permits: int | None = None
    per_minute: int | None = None
    calls_last_minute: int = 0
    local: bool = False
    durations_ms: dict[str, tuple[int, ...]] = {}


class Workers(msgspec.Struct, frozen=True):
    """What the live workers run at once: jobs in all, and jobs that only need this machine in addition."""

    jobs: int
    short: int = 0


class Place(msgspec.Struct, frozen=True):
    """Where a job fits: the entry of its route that would make its picture, and when a worker begins with it."""

    index: int
    start: float
    end: float


def finishing_time(window: float) -> float:
    """Return the part of a window that is kept for what surrounds a call."""
    return window * FINISHING_SHARE


def unknown_need(window: float) -> float:
    """Return the time kept for a call of unknown duration."""
    return min(_RESERVE, window / 5)


def least_left(need: float, window: float) -> float:
    """Return what must be left of a window to begin a call that needs this long; zero where that is unknown."""
    return min(need + finishing_time(window), window * FRESH_SHARE) if need else 0.0


def is_hopeless(entries: Sequence[EntryKey], needs: Mapping[EntryKey, float], *, left: float, window: float) -> bool:
    """Return whether no entry can make the picture any more in what is left of the window."""
    return bool(entries) and all(left < least_left(needs.get(entry, 0.0), window) for entry in entries)


class Schedule:
    """The work of all workers from the moment `at` on."""

    def __init__(
        self, load: QueueLoad, *, workers: Workers, providers: Mapping[str, ProviderCapacity], at: float
    ) -> None:
        self._providers = providers
        self._usual: dict[EntryKey, UsualDuration] = {}
        self._load = load
        self._running_s: dict[EntryKey, float] = {}
        self._workers = [at] * workers.jobs
        self._short = [at] * workers.short
        self._permits = {
            provider_id: [at] * capacity.permits
            for provider_id, capacity in providers.items()
            if capacity.permits is not None
        }
        self._calls = {provider_id: capacity.calls_last_minute for provider_id, capacity in providers.items()}
        self._at = at
        self._ends: list[float] = []
        for job in load.jobs:
            if job.running is not None and job.entries:
                entry = job.entries[0]
                self._running_s[entry] = max(self._running_s.get(entry, 0.0), job.running)
        for job in load.jobs:
            if job.running is not None:
                self._place_running(job, at)
        for job in load.jobs:
            if job.running is None:
                self.add(job.entries, window=job.window, now=at, until=at + job.left)

    @property
    def is_measurable(self) -> bool:
        """Whether it can tell: there are workers, and every live job was placed."""
        return bool(self._workers) and self._load.live <= len(self._load.jobs)

    def usual(self, entry: EntryKey) -> UsualDuration:
        """Return the usual duration of a call to an entry, by what ended last and by what is running now."""
        if (known := self._usual.get(entry)) is None:
            known = self._usual[entry] = self._estimate(entry)
        return known

    def place(self, entries: Sequence[EntryKey], *, window: float, now: float, until: float) -> Place | None:
        """Return where a new job fits that must have ended at `until`; None where it cannot be expected to."""
        for index, entry in enumerate(entries):
            start, usual = self._start(entry, now=now, skipped=index > 0), self.usual(entry)
            fresh = until - start >= window * FRESH_SHARE
            if fresh or start + self._expected(entries, index, window) <= until:
                return Place(index, start, start + usual.mean)
        return None

    def _expected(self, entries: Sequence[EntryKey], index: int, window: float) -> float:
        """Return what a new job should have left when this entry is called."""
        usual = self.usual(entries[index])
        return usual.careful + self._reserve(entries, index, window) + finishing_time(window) * _MARGIN

    def _reserve(self, entries: Sequence[EntryKey], index: int, window: float) -> float:
        """Return what a call leaves for the quickest entry after it, as `route_policy` does."""
        later = [
            unknown_need(window) if self._is_local(entry) else self.usual(entry).careful or unknown_need(window)
            for entry in entries[index + 1 :]
        ]
        return min(later, default=0.0)

    def add(self, entries: Sequence[EntryKey], *, window: float, now: float, until: float) -> None:
        """Add a job that waits: it takes the first entry for which it has enough time when its turn comes."""
        for index, entry in enumerate(entries):
            start, usual = self._start(entry, now=now, skipped=False), self.usual(entry)
            least = least_left(usual.need, window)
            if least:
                least = min(least + self._reserve(entries, index, window), window * FRESH_SHARE)
            if until - start >= least and start < until:
                self.take(entries, Place(index, start, min(start + usual.mean, until)), skipped=False)
                return
        # It will be ended without a call as soon as it is clear that none can succeed.
        insort(self._ends, until)

    def take(self, entries: Sequence[EntryKey], place: Place, *, skipped: bool) -> None:
        """Let a job have this place. `skipped`: entries before it were left out of its route."""
        entry = entries[place.index]
        provider_id = entry[0]
        _take(self._short if self._is_short(entry, skipped=skipped) else self._workers, place)
        if (permits := self._permits.get(provider_id)) is not None:
            _take(permits, place)
        self._calls[provider_id] = self._calls.get(provider_id, 0) + 1
        insort(self._ends, place.end)

    def wait_for_place(self, entries: Sequence[EntryKey], *, window: float, now: float) -> float:
        """Return after how many seconds a new photo would fit, if no other one comes before it."""
        waits = [
            self._start(entry, now=now, skipped=index > 0)
            + min(self._expected(entries, index, window), window * FRESH_SHARE)
            for index, entry in enumerate(entries)
        ]
        return max(min(waits, default=now + window) - now - window, 0.0)

    def live(self, now: float) -> int:
        """Return how many jobs are expected to be live at a moment."""
        return len(self._ends) - bisect_right(self._ends, now)

    def wait_for_end(self, *, now: float, count: int = 1) -> float:
        """Return after how many seconds this many live jobs will have ended."""
        first = bisect_right(self._ends, now)
        last = min(first + count, len(self._ends)) - 1
        return self._ends[last] - now if last >= first else 0.0

    def _place_running(self, job: QueuedJob, at: float) -> None:
        assert job.running is not None
        had = job.left + job.running  # of its window, when a worker took it
        index = next(
            (index for index, entry in enumerate(job.entries) if had >= least_left(self.usual(entry).need, job.window)),
            0,
        )
        entry = job.entries[index] if job.entries else ("", "")
        usual = self.usual(entry)
        if job.running < usual.mean:
            remaining = usual.mean - job.running
        elif job.running < usual.careful:
            remaining = usual.careful - job.running
        else:
            remaining = job.running * _OVERDUE_SHARE
        end = at + max(min(remaining, job.left), 0.0)
        _take(self._workers, Place(index, at, end))
        if (permits := self._permits.get(entry[0])) is not None:
            _take(permits, Place(index, at, end))
        insort(self._ends, end)

    def _start(self, entry: EntryKey, *, now: float, skipped: bool) -> float:
        """Return when a worker can begin with this entry."""
        provider_id = entry[0]
        slots = self._short if self._is_short(entry, skipped=skipped) else self._workers
        start = max(now, slots[0]) if slots else now
        if permits := self._permits.get(provider_id):
            start = max(start, permits[0])
        capacity = self._providers.get(provider_id)
        if capacity is not None and capacity.per_minute:
            excess = self._calls.get(provider_id, 0) + 1 - capacity.per_minute
            start = max(start, self._at + 60.0 * max(excess, 0) / capacity.per_minute)
        return start

    def _is_short(self, entry: EntryKey, *, skipped: bool) -> bool:
        """Whether a job that begins with this entry does not wait for the jobs that wait for providers."""
        return skipped and bool(self._short) and self._is_local(entry)

    def _is_local(self, entry: EntryKey) -> bool:
        capacity = self._providers.get(entry[0])
        return capacity is not None and capacity.local

    def _estimate(self, entry: EntryKey) -> UsualDuration:
        provider_id, operation_id = entry
        capacity = self._providers.get(provider_id, ProviderCapacity())
        calls_ms = capacity.durations_ms.get(operation_id, ())
        finished_ms = self._load.finished_ms.get(entry, ())
        longest = self._running_s.get(entry)
        if not calls_ms and (finished_ms or longest is not None):
            calls_ms = finished_ms or (round((longest or 0.0) * 1000),)
        elif longest is not None and calls_ms and longest * 1000 > max(calls_ms):
            calls_ms = (*calls_ms, round(longest * 1000))
        call, job = usual_duration(calls_ms), usual_duration(finished_ms)
        return call if job is UNKNOWN else msgspec.structs.replace(call, mean=max(call.mean, job.mean))


def _take(slots: list[float], place: Place) -> None:
    """Use the slot that has been free for the shortest time when the job begins; `slots` stays sorted."""
    if slots:
        slots.pop(max(bisect_right(slots, place.start) - 1, 0))
        insort(slots, place.end)
