"""The jobs of the last hour: sums that are kept agree with those of a reader that has kept nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photochanger.adapters.memory import FakeClock
from photochanger.core.domain.errors import QueueUnavailable
from photochanger.core.domain.job import FailureReason
from photochanger.core.domain.slots.activity import (
    BARS,
    Bars,
    EndedJobs,
    EndedLatency,
    SlotRecords,
    bars_since,
    lately_since,
    minute_of,
)
from photochanger.core.domain.slots.slot_health import RecentOutcomes
from photochanger.core.services.slots.recent_jobs import RecentJobReader, RecentJobs

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 5, 1, 20, 3, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Records:
    """Ended jobs as a database has them, and which of them were asked for."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.ended: list[EndedJobs] = []
        self.latencies: list[EndedLatency] = []
        self.asked: list[datetime] = []
        self.away = False

    def end(
        self,
        age: timedelta,
        *,
        slot_id: str = "slot-001",
        reason: FailureReason | None = None,
        fallback: bool = False,
        bucket: int | None = None,
    ) -> None:
        """A job that ended so long ago."""
        minute = minute_of(self.clock.now() - age)
        self.ended.append(EndedJobs(slot_id, minute, reason, fallback, 1))
        if bucket is not None:
            self.latencies.append(EndedLatency(minute, bucket, 1))

    async def read(self, *, now: datetime, ended_since: datetime) -> SlotRecords:
        self.asked.append(ended_since)
        await asyncio.sleep(0)
        if self.away:
            raise QueueUnavailable("The database is away.")
        return SlotRecords(
            ended=tuple(one for one in self.ended if one.minute >= ended_since),
            latencies=tuple(one for one in self.latencies if one.minute >= ended_since),
        )


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def records(clock: FakeClock) -> Records:
    return Records(clock)


async def fresh(records: Records) -> RecentJobs:
    """What a reader without memory finds."""
    return await RecentJobReader(records, records.clock).read()


async def test_the_last_minutes_and_the_bars_of_the_hour_are_counted(records: Records) -> None:
    for age in (0, 15, 16, 30, 58, 59):
        records.end(age * MINUTE)
    records.end(MINUTE, reason=FailureReason.TIMEOUT)
    records.end(MINUTE, reason=FailureReason.TIMEOUT, fallback=True)
    records.end(MINUTE, reason=FailureReason.PROVIDER_ERROR)
    records.end(40 * MINUTE, reason=FailureReason.PROVIDER_ERROR)
    for reason in (FailureReason.CANCELLED, FailureReason.INVALID_PHOTO):
        records.end(MINUTE, reason=reason, slot_id="slot-002")
    found = (await fresh(records)).activities
    one = found["slot-001"]
    assert one.lately == RecentOutcomes(ended=5, failed=2, fallbacks=1)
    assert one.failures == {FailureReason.TIMEOUT: 2, FailureReason.PROVIDER_ERROR: 1}
    assert (one.ended, one.pictures, one.fallbacks, one.failed) == (5, 2, 1, 2)
    # Bars begin at 19:05: the photo of 58 minutes ago ended at 19:05, that of 59 minutes ago before the first bar.
    assert one.bars == Bars((1, 0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 1), (0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3))
    # An invalid photo says nothing about the slot, but its guest got no picture; a cancelled job counts for neither.
    two = found["slot-002"]
    assert (two.ended, two.lately, two.failures) == (2, RecentOutcomes(), {FailureReason.INVALID_PHOTO: 1})
    assert (two.pictures, two.fallbacks, two.failed) == (0, 0, 1)
    assert two.bars == Bars((0,) * 12, (0,) * 11 + (1,))


async def test_what_has_settled_is_not_read_again(records: Records, clock: FakeClock) -> None:
    reader = RecentJobReader(records, clock)
    for step in range(5):
        records.end(timedelta(0))
        await reader.read()
        await clock.advance(timedelta(seconds=20 * step))
    assert records.asked[0] == bars_since(NOW)
    assert all(asked >= minute_of(NOW) - MINUTE for asked in records.asked[1:])


async def test_after_a_long_pause_or_a_clock_that_was_put_back_everything_is_read_again(
    records: Records, clock: FakeClock
) -> None:
    reader = RecentJobReader(records, clock)
    records.end(timedelta(0))
    await reader.read()
    await clock.advance(timedelta(hours=3))
    records.end(timedelta(0))
    assert (await reader.read()).activities == (await fresh(records)).activities
    assert records.asked[-2] == bars_since(clock.now())
    records.clock = reader._clock = FakeClock(clock.now() - timedelta(minutes=10))
    assert (await reader.read()).activities == (await fresh(records)).activities


async def test_an_outage_loses_no_job(records: Records, clock: FakeClock) -> None:
    reader = RecentJobReader(records, clock)
    records.end(2 * MINUTE)
    await reader.read()
    records.away = True
    with pytest.raises(QueueUnavailable):
        await reader.read()
    records.away = False
    records.end(timedelta(0))
    assert (await reader.read()).activities["slot-001"].ended == 2


async def test_the_median_is_of_the_last_minutes(records: Records, clock: FakeClock) -> None:
    reader = RecentJobReader(records, clock)
    assert (await reader.read()).p50_ms is None
    for bucket in (10, 30, 31):
        records.end(timedelta(0), bucket=bucket)
    slow = (await reader.read()).p50_ms
    await clock.advance(16 * MINUTE)
    records.end(timedelta(0), bucket=10)
    quick = (await reader.read()).p50_ms
    assert slow is not None
    assert quick is not None
    assert quick < slow


Step = tuple[int, str, FailureReason | None, bool, int]
STEPS: st.SearchStrategy[Sequence[Step]] = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.sampled_from(["slot-001", "slot-002", "slot-003"]),
        st.sampled_from([None, *FailureReason]),
        st.booleans(),
        st.integers(0, 60),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
async def test_kept_sums_agree_with_those_of_a_new_reader(steps: Sequence[Step]) -> None:
    clock = FakeClock(NOW)
    records = Records(clock)
    reader = RecentJobReader(records, clock)
    for seconds, slot_id, reason, fallback, bucket in steps:
        await clock.advance(timedelta(seconds=seconds))
        records.end(timedelta(0), slot_id=slot_id, reason=reason, fallback=fallback, bucket=bucket)
        kept, new = await reader.read(), await fresh(records)
        assert kept.activities == new.activities
        assert kept.p50_ms == new.p50_ms
        assert msgspec.structs.replace(kept.records, ended=(), latencies=()) == SlotRecords()
        assert lately_since(clock.now()) >= bars_since(clock.now())
        assert all(one.bars is None or len(one.bars.pictures) == BARS for one in kept.activities.values())
