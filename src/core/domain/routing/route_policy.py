"""The policy of a route (SPEC §3.4), without I/O: which entry is called next, and how long a call may take.

All calls of a job share one budget, the time left of its window. An entry is retried while it may still succeed; the
entries after it are fallbacks, which are always left the time they need. Moments are those of `Clock.monotonic`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

import msgspec

from .capacity import FRESH_SHARE, least_left, unknown_need
from .provider_usage import LatencyPercentiles

MAX_CALLS = 5
"""Calls to one route entry of one job."""

QUICK_CALLS = 3
"""Calls to an entry that follow each other quickly, for failures of a second or two. The calls that are left are spread
over the window, so that a provider that is back after a while still makes the picture."""

_FIRST_PAUSE = timedelta(milliseconds=250)
_MAX_PAUSE = timedelta(seconds=20)

_MIN_PATIENCE = timedelta(seconds=5)
_P90_FACTOR = 4
"""A call that takes this many times the 90th percentile has most likely been lost by the provider."""


class EntryProgress(msgspec.Struct, frozen=True):
    """How far a job has come with one entry of its route.

    Attributes:
        calls: calls made so far.
        ready_at: the earliest moment of the next call.
        deferred: to be called again only where no other entry can be.
        busy: a call is under way.
        over: not to be called again.
        crowded: the last call was refused because of other calls under way.
        pace: the usual latency of its operation, where it is known.
        need, typical: what must be left for a first call, and for a further one; zero where that is unknown.
    """

    calls: int = 0
    ready_at: timedelta | None = None
    deferred: bool = False
    busy: bool = False
    over: bool = False
    crowded: bool = False
    pace: LatencyPercentiles | None = None
    need: timedelta = timedelta(0)
    typical: timedelta = timedelta(0)


class Choice(msgspec.Struct, frozen=True):
    """The entry to call next, and when."""

    index: int
    at: timedelta


class Budget(msgspec.Struct, frozen=True):
    """The time of a route: what is left at `now` of a window of this length."""

    now: timedelta
    ends_at: timedelta
    window: timedelta

    @property
    def left(self) -> timedelta:
        return self.ends_at - self.now

    @property
    def is_fresh(self) -> bool:
        """Whether nearly the whole window is left."""
        return self.left >= self.window * FRESH_SHARE


def choose(entries: Sequence[EntryProgress], budget: Budget) -> Choice | None:
    """Return the entry to call next; None where no entry can be called in the time left.

    First in order, deferred ones last. An entry is passed over if its usual latency (p90) exceeds the time left, or if
    it would take the time that an entry after it needs, while another entry could still make it. One that typically
    takes longer than the time left is not called at all, unless nearly the whole window is left.
    """
    fitting = _callable_in_time(entries, budget)
    for index in sorted(fitting, key=lambda index: _rank(index, entries[index], budget)):
        entry = entries[index]
        others = [
            other
            for other in fitting
            if other != index and _wait(entries[other], budget) + _usual(entries[other], budget) <= budget.left
        ]
        if others and _wait(entry, budget) + _usual(entry, budget) > budget.left:
            continue
        left, reserve = budget.left - _wait(entry, budget), _reserve(index, others, entries, budget)
        if left <= reserve or (reserve and left < min(entry.need + reserve, budget.window * FRESH_SHARE)):
            continue
        return Choice(index, budget.now + _wait(entry, budget))
    return None


def latest_end(index: int, entries: Sequence[EntryProgress], budget: Budget) -> timedelta:
    """Return when a call to this entry must end to leave the entries after it the time they need."""
    others = [other for other in _callable_in_time(entries, budget) if other != index]
    latest = budget.ends_at - _reserve(index, others, entries, budget)
    return latest if latest > budget.now else budget.ends_at


def give_up_at(index: int, entries: Sequence[EntryProgress], budget: Budget) -> timedelta:
    """Return when to give up a call to this entry that began at `budget.now`: at its latest end, or sooner if it takes
    far longer than usual and there is time for another one."""
    latest = latest_end(index, entries, budget)
    pace = entries[index].pace
    if pace is not None and entries[index].calls < MAX_CALLS:
        patience = max(pace.p90 * _P90_FACTOR, _MIN_PATIENCE)
        if budget.now + patience + pace.p90 < latest:
            return budget.now + patience
    return latest


def hedge_after(pace: LatencyPercentiles | None, window: timedelta) -> timedelta:
    """Return how long a call may take before a second one is started."""
    return pace.p75 if pace is not None else window / 4


def back_off(calls: int, chance: float) -> timedelta:
    """Return the pause after the given number of calls: doubled with each call, times a factor of 0.5 to 1 by `chance`
    (0 to 1)."""
    return _FIRST_PAUSE * (1 << calls - 1) * (0.5 + chance / 2)


def retry_at(index: int, entries: Sequence[EntryProgress], budget: Budget, chance: float) -> timedelta:
    """Return when to call this entry again, which failed at `budget.now`.

    The last call comes early enough for its usual latency; where an entry after it could make the picture, also for
    that one, and in the first half of the window. Each pause is shortened by up to half, a long one by up to a tenth,
    by `chance` (0 to 1).
    """
    entry = entries[index]
    quick = back_off(entry.calls, chance)
    if entry.calls < QUICK_CALLS or entry.calls >= MAX_CALLS:
        return budget.now + quick
    room = budget.left - (_unknown_need(budget) if entry.pace is None else entry.pace.p90)
    if later := [other for other in _callable_in_time(entries, budget) if other > index]:
        room = min(room - _reserve(index, later, entries, budget), budget.left - budget.window / 2)
    pause = min(room / (MAX_CALLS - entry.calls), _MAX_PAUSE)
    return budget.now + max(quick, pause * (0.9 + chance / 10))


def _callable_in_time(entries: Sequence[EntryProgress], budget: Budget) -> list[int]:
    return [
        index
        for index, entry in enumerate(entries)
        if not (entry.over or entry.busy) and entry.calls < MAX_CALLS and _can_succeed(entry, budget)
    ]


def _can_succeed(entry: EntryProgress, budget: Budget) -> bool:
    left = budget.left - _wait(entry, budget)
    need = entry.typical if entry.calls else entry.need
    return left > timedelta(0) and left.total_seconds() >= least_left(
        need.total_seconds(), budget.window.total_seconds()
    )


def _wait(entry: EntryProgress, budget: Budget) -> timedelta:
    return timedelta(0) if entry.ready_at is None else max(entry.ready_at - budget.now, timedelta(0))


def _rank(index: int, entry: EntryProgress, budget: Budget) -> tuple[bool, timedelta, int]:
    return entry.deferred, _wait(entry, budget) if entry.deferred else timedelta(0), index


def _usual(entry: EntryProgress, budget: Budget) -> timedelta:
    """Return the usual duration of a call; zero where it is unknown, unless other calls crowd the provider."""
    if entry.pace is not None:
        return entry.pace.p90
    return budget.window / 4 if entry.crowded else timedelta(0)


def _reserve(index: int, others: Collection[int], entries: Sequence[EntryProgress], budget: Budget) -> timedelta:
    """Return what the quickest of the others that come after this entry needs; zero if none does."""
    later = [entries[other].pace for other in others if other > index]
    return min((_unknown_need(budget) if pace is None else pace.p90 for pace in later), default=timedelta(0))


def _unknown_need(budget: Budget) -> timedelta:
    """Return the time kept for a call of unknown latency."""
    return timedelta(seconds=unknown_need(budget.window.total_seconds()))
