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


class NewestPicture(msgspec.Struct, frozen=True, kw_only=True):
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


class Bars(msgspec.Struct, frozen=True):
    """Jobs by the bar in which they ended, oldest bar first: those with a picture of the route, and those without."""

    pictures: tuple[int, ...]
    missed: tuple[int, ...]


class Activity(msgspec.Struct, frozen=True, kw_only=True):
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


class RecentEnds:
    """Sums of ended jobs, of the last minutes and by bar. What was added is subtracted again when it is too old."""

    def __init__(self) -> None:
        self._by_minute: dict[datetime, list[EndedJobs]] = {}
        self._lately: dict[tuple[str, FailureReason | None, bool], int] = {}
        self._pictures: dict[datetime, dict[str, int]] = {}
        self._missed: dict[datetime, dict[str, int]] = {}

    def add(self, ended: Iterable[EndedJobs]) -> None:
        """Count these jobs."""
        for one in ended:
            self._by_minute.setdefault(one.minute, []).append(one)
            self._count(one, 1)

    def forget_before(self, now: datetime) -> None:
        """Leave out the jobs that are too old at this moment, which must not be before that of an earlier call."""
        lately, first = lately_since(now), bars_since(now)
        for minute in [minute for minute in self._by_minute if minute < lately]:
            for one in self._by_minute.pop(minute):
                self._count_lately(one, -1)
        for bars in (self._pictures, self._missed):
            for start in [start for start in bars if start < first]:
                del bars[start]

    def activities(self, *, now: datetime, unsettled: Sequence[EndedJobs] = ()) -> dict[str, Activity]:
        """The activity of each slot with such jobs, by slot id; these jobs are counted only for this answer."""
        lately = lately_since(now)
        for one in unsettled:
            self._count(one, 1, lately=one.minute >= lately)
        sums = self._lately_by_slot()
        starts = [bars_since(now) + number * BAR for number in range(BARS)]
        pictures = [self._pictures.get(start, {}) for start in starts]
        missed = [self._missed.get(start, {}) for start in starts]
        drawn = {slot_id for bars in (*pictures, *missed) for slot_id, count in bars.items() if count}
        found = {}
        for slot_id in sums.keys() | drawn:
            bars = Bars(_bars(pictures, slot_id), _bars(missed, slot_id)) if slot_id in drawn else None
            found[slot_id] = _activity(sums.get(slot_id, []), bars)
        for one in unsettled:
            self._count(one, -1, lately=one.minute >= lately)
        return found

    def _lately_by_slot(self) -> dict[str, list[tuple[FailureReason | None, bool, int]]]:
        found: dict[str, list[tuple[FailureReason | None, bool, int]]] = {}
        for (slot_id, reason, fallback), count in self._lately.items():
            if count:
                found.setdefault(slot_id, []).append((reason, fallback, count))
        return found

    def _count(self, one: EndedJobs, sign: int, *, lately: bool = True) -> None:
        if lately:
            self._count_lately(one, sign)
        if one.failure_reason is FailureReason.CANCELLED:
            return
        bars = self._missed if one.failure_reason is not None or one.fallback else self._pictures
        bar = bars.setdefault(one.minute - timedelta(minutes=one.minute.minute % _BAR_MINUTES), {})
        bar[one.slot_id] = bar.get(one.slot_id, 0) + sign * one.count

    def _count_lately(self, one: EndedJobs, sign: int) -> None:
        key = one.slot_id, one.failure_reason, one.fallback
        left = self._lately.get(key, 0) + sign * one.count
        if left:
            self._lately[key] = left
        else:
            del self._lately[key]


def _bars(bars: Sequence[Mapping[str, int]], slot_id: str) -> tuple[int, ...]:
    return tuple([bar.get(slot_id, 0) for bar in bars])


def _activity(lately: Iterable[tuple[FailureReason | None, bool, int]], bars: Bars | None) -> Activity:
    ended = pictures = fallbacks = failed = 0
    says = {"ended": 0, "failed": 0, "fallbacks": 0}
    failures: dict[FailureReason, int] = {}
    for reason, fallback, count in lately:
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
