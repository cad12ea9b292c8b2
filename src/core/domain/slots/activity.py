"""What happened on the slots in the last hour: how their jobs ended, minute by minute, and what is under way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from ..job import FailureReason
from .slot_health import LATELY, NOT_THE_SLOTS, RecentOutcomes

BAR = timedelta(minutes=5)
"""The length of one bar of a slot's activity."""

BARS = 12
"""Bars of a slot's activity, the current one included: an hour."""

MINUTE = timedelta(minutes=1)
_BAR_MINUTES = BAR // MINUTE
_BAR_SECONDS = int(BAR.total_seconds())


class EndedJobs(msgspec.Struct, frozen=True, gc=False):
    """Number of jobs of a slot that ended in one minute of UTC with the same outcome; test runs are not counted."""

    slot_id: str
    minute: datetime
    failure_reason: FailureReason | None
    fallback: bool
    count: int


class EndedLatency(msgspec.Struct, frozen=True, gc=False):
    """Number of succeeded jobs of all slots that ended in one minute with a latency in this bucket."""

    minute: datetime
    bucket: int
    count: int


class LiveJobs(msgspec.Struct, frozen=True, gc=False):
    """Number of jobs of a slot that wait, and that are processed; test runs are not counted."""

    pending: int = 0
    processing: int = 0


class NewestPicture(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The newest picture of a slot that still exists."""

    job_id: UUID
    completed_at: datetime
    expires_at: datetime
    mime: str
    size_bytes: int


class SlotRecords(msgspec.Struct, frozen=True, kw_only=True):
    """What the jobs of all slots are now. `last_photos`: when the newest photo of each slot came in."""

    ended: tuple[EndedJobs, ...] = ()
    latencies: tuple[EndedLatency, ...] = ()
    live: dict[str, LiveJobs] = {}
    last_photos: dict[str, datetime] = {}
    newest: dict[str, NewestPicture] = {}


class Bars(msgspec.Struct, frozen=True, gc=False):
    """Jobs by the bar in which they ended, oldest bar first: those with a picture of the route, and those without."""

    pictures: tuple[int, ...]
    missed: tuple[int, ...]


class Activity(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How the jobs of a slot ended.

    Attributes:
        lately: the outcomes of the last minutes (`lately_since`).
        ended: all jobs that ended in these minutes, also those that say nothing about the slot.
        pictures, fallbacks, failed: those of `ended` that the success rate counts: with a picture of the route, with
            only the failure answer's, with none.
        failures: those of them without a picture of the route, by reason.
        bars: of the last hour; None without such a job.
    """

    lately: RecentOutcomes = RecentOutcomes()
    ended: int = 0
    pictures: int = 0
    fallbacks: int = 0
    failed: int = 0
    failures: dict[FailureReason, int] = {}
    bars: Bars | None = None


def minute_of(moment: datetime) -> datetime:
    """The beginning of its minute, in UTC."""
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def lately_since(now: datetime) -> datetime:
    """The beginning of the minutes that count for the health of slots: the current one and the fifteen before it."""
    return minute_of(now - LATELY)


def bars_since(now: datetime) -> datetime:
    """The beginning of the first bar."""
    minute = minute_of(now)
    return minute - timedelta(minutes=minute.minute % _BAR_MINUTES) - (BARS - 1) * BAR


class _SlotEnds:
    """Jobs of one slot: by bar, from the first one that is shown, and of the last minutes by their outcome."""

    __slots__ = ("lately", "missed", "pictures")

    def __init__(self) -> None:
        self.pictures = [0] * BARS
        self.missed = [0] * BARS
        self.lately: dict[tuple[FailureReason | None, bool], int] = {}

    def bars(self) -> Bars | None:
        """What is shown; None without any job. Bars that are still to come may have jobs, as clocks differ."""
        pictures, missed = tuple(self.pictures[:BARS]), tuple(self.missed[:BARS])
        return Bars(pictures, missed) if any(pictures) or any(missed) else None

    def forget(self, bars: int) -> None:
        """Leave out this number of the oldest bars."""
        for counts in (self.pictures, self.missed):
            del counts[:bars]
            counts.extend([0] * (BARS - len(counts)))

    def is_empty(self) -> bool:
        return not self.lately and not any(self.pictures) and not any(self.missed)


class RecentEnds:
    """Sums of ended jobs, of the last minutes and by bar, as they are at the moment of the latest `advance`."""

    def __init__(self, now: datetime) -> None:
        self._by_minute: dict[datetime, list[EndedJobs]] = {}
        self._slots: dict[str, _SlotEnds] = {}
        self._lately = lately_since(now)
        self._first = _bar_number(bars_since(now))

    def advance(self, now: datetime) -> None:
        """Leave out the jobs that are too old at this moment, which must not be before that of an earlier call."""
        self._lately = lately_since(now)
        for minute in [minute for minute in self._by_minute if minute < self._lately]:
            for one in self._by_minute.pop(minute):
                _count_lately(self._slots[one.slot_id], one, -1)
        first = _bar_number(bars_since(now))
        if first > self._first:
            for slot in self._slots.values():
                slot.forget(first - self._first)
            self._first = first
            self._slots = {slot_id: slot for slot_id, slot in self._slots.items() if not slot.is_empty()}

    def add(self, ended: Iterable[EndedJobs]) -> None:
        """Count these jobs."""
        for one in ended:
            if one.minute >= self._lately:
                self._by_minute.setdefault(one.minute, []).append(one)
            self._count(one, 1)

    def activities(self, unsettled: Sequence[EndedJobs] = ()) -> dict[str, Activity]:
        """The activity of each slot with such jobs, by slot id; these jobs are counted only for this answer."""
        for one in unsettled:
            self._count(one, 1)
        found = {}
        for slot_id, slot in self._slots.items():
            bars = slot.bars()
            if bars is not None or slot.lately:
                found[slot_id] = _activity(slot.lately, bars)
        for one in unsettled:
            self._count(one, -1)
        return found

    def _count(self, one: EndedJobs, sign: int) -> None:
        slot = self._slots.get(one.slot_id)
        if slot is None:
            slot = self._slots[one.slot_id] = _SlotEnds()
        if one.minute >= self._lately:
            _count_lately(slot, one, sign)
        bar = _bar_number(one.minute) - self._first
        if one.failure_reason is FailureReason.CANCELLED or bar < 0:
            return
        bars = slot.missed if one.failure_reason is not None or one.fallback else slot.pictures
        if bar >= len(bars):
            bars.extend([0] * (bar + 1 - len(bars)))
        bars[bar] += sign * one.count


def _bar_number(moment: datetime) -> int:
    """The number of the bar that this moment is in; those of later bars follow."""
    return int(moment.timestamp()) // _BAR_SECONDS


def _count_lately(slot: _SlotEnds, one: EndedJobs, sign: int) -> None:
    key = one.failure_reason, one.fallback
    left = slot.lately.get(key, 0) + sign * one.count
    if left:
        slot.lately[key] = left
    else:
        del slot.lately[key]


def _activity(lately: Mapping[tuple[FailureReason | None, bool], int], bars: Bars | None) -> Activity:
    ended = pictures = fallbacks = failed = 0
    says = {"ended": 0, "failed": 0, "fallbacks": 0}
    failures: dict[FailureReason, int] = {}
    for (reason, fallback), count in lately.items():
        ended += count
        if reason is FailureReason.CANCELLED:
            continue
        if fallback:
            fallbacks += count
        elif reason is None:
            pictures += count
        else:
            failed += count
        if reason is not None:
            failures[reason] = failures.get(reason, 0) + count
        if reason not in NOT_THE_SLOTS:
            says["ended"] += count
            says["fallbacks"] += count if fallback else 0
            says["failed"] += count if reason is not None and not fallback else 0
    return Activity(
        lately=RecentOutcomes(**says),
        ended=ended,
        pictures=pictures,
        fallbacks=fallbacks,
        failed=failed,
        failures=failures,
        bars=bars,
    )
