"""Which entry of a route is tried next, and how long an attempt may take: the policy of SPEC §3.4, without any I/O.

The attempts share one budget, the time that is left. An entry is retried while it may still succeed; entries after it
are fallbacks, and whatever an entry does, it leaves them the time they need.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from .provider_usage import LatencyPercentiles

MAX_CALLS = 5
"""At most this many calls to one route entry."""

_FIRST_PAUSE = timedelta(milliseconds=250)
_MAX_PAUSE = timedelta(seconds=4)

_RESERVE = timedelta(seconds=6)
"""What is kept for a fallback of which nobody knows how long it takes; a fifth of the window at most."""

_MIN_PATIENCE = timedelta(seconds=5)
_P90_FACTOR = 4
"""A call that takes so many times as long as nine of ten do has most likely been forgotten by the provider."""


class EntryProgress(msgspec.Struct, frozen=True):
    """How far a job has come with one entry of its route.

    Attributes:
        calls: how often the provider was asked.
        ready_at: not to be asked sooner.
        deferred: to be asked again only where no other entry can be.
        busy: being asked right now.
        over: will not be asked again.
        crowded: what stood in the way last were other calls under way.
    """

    calls: int = 0
    ready_at: datetime | None = None
    deferred: bool = False
    busy: bool = False
    over: bool = False
    crowded: bool = False


class Choice(msgspec.Struct, frozen=True):
    """The entry to ask next, and when."""

    index: int
    at: datetime


class Budget(msgspec.Struct, frozen=True):
    """The time that a route has: what is left at `now` of a window of this length."""

    now: datetime
    ends_at: datetime
    window: timedelta

    @property
    def left(self) -> timedelta:
        return self.ends_at - self.now


def choose(
    entries: Sequence[EntryProgress], paces: Sequence[LatencyPercentiles | None], budget: Budget
) -> Choice | None:
    """The entry to ask next; None where there is none that time is left for.

    First in order, deferred ones last. An entry is passed over whose usual duration (p90) exceeds what is left, or
    which would take the time that an entry after it needs, while another entry could still make it.
    """
    fitting = [
        index for index, entry in enumerate(entries) if _may_be_asked(entry) and _wait(entry, budget) < budget.left
    ]
    for index in sorted(fitting, key=lambda index: _rank(index, entries[index], budget)):
        needs = _wait(entries[index], budget) + _usual(entries[index], paces[index], budget)
        others = [
            other
            for other in fitting
            if other != index
            and _wait(entries[other], budget) + _usual(entries[other], paces[other], budget) <= budget.left
        ]
        if needs > budget.left and others:
            continue
        if budget.left - _wait(entries[index], budget) <= _reserve(index, others, paces, budget):
            continue
        return Choice(index, budget.now + _wait(entries[index], budget))
    return None


def cut_at(
    index: int, entries: Sequence[EntryProgress], paces: Sequence[LatencyPercentiles | None], budget: Budget
) -> datetime:
    """When a call to this entry is given up, at the latest: early enough for what could still be tried after it."""
    others = [
        other
        for other, entry in enumerate(entries)
        if other != index and _may_be_asked(entry) and _wait(entry, budget) < budget.left
    ]
    latest = budget.ends_at - _reserve(index, others, paces, budget)
    pace = paces[index]
    if pace is not None and entries[index].calls < MAX_CALLS:
        patience = max(pace.p90 * _P90_FACTOR, _MIN_PATIENCE)
        if budget.now + patience + pace.p90 < latest:
            return budget.now + patience
    return latest if latest > budget.now else budget.ends_at


def hedge_after(pace: LatencyPercentiles | None, window: timedelta) -> timedelta:
    """How long a call may take before a second one is started beside it."""
    return pace.p75 if pace is not None else window / 4


def back_off(calls: int, chance: float) -> timedelta:
    """The pause after so many calls: doubles from call to call, between half of it and the whole by chance (0 to 1)."""
    whole = min(_FIRST_PAUSE * (1 << calls - 1), _MAX_PAUSE)
    return whole * (0.5 + chance / 2)


def _may_be_asked(entry: EntryProgress) -> bool:
    return not entry.over and not entry.busy and entry.calls < MAX_CALLS


def _wait(entry: EntryProgress, budget: Budget) -> timedelta:
    return timedelta(0) if entry.ready_at is None else max(entry.ready_at - budget.now, timedelta(0))


def _rank(index: int, entry: EntryProgress, budget: Budget) -> tuple[bool, timedelta, int]:
    return entry.deferred, _wait(entry, budget) if entry.deferred else timedelta(0), index


def _usual(entry: EntryProgress, pace: LatencyPercentiles | None, budget: Budget) -> timedelta:
    """What an attempt usually takes: nothing where that is unknown, unless others crowd the provider meanwhile."""
    if pace is not None:
        return pace.p90
    return budget.window / 4 if entry.crowded else timedelta(0)


def _reserve(
    index: int, others: Sequence[int], paces: Sequence[LatencyPercentiles | None], budget: Budget
) -> timedelta:
    """What the quickest of the other entries that come after this one needs; nothing where there is none."""
    later = [paces[other] for other in others if other > index]
    unknown = min(_RESERVE, budget.window / 5)
    return min((unknown if pace is None else pace.p90 for pace in later), default=timedelta(0))
