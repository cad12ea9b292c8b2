"""The jobs of the last hour by slot. What has settled is kept, so that a reading asks only for the last minutes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec

from ...domain.slots.activity import (
    MINUTE,
    Activity,
    EndedLatency,
    RecentEnds,
    SlotRecords,
    bars_since,
    lately_since,
    minute_of,
)
from ...domain.stats.summary import percentile
from ...ports.clock import Clock
from ...ports.repositories.slot_records import SlotRecordReader

SETTLED_AFTER = MINUTE
"""How long after its end a minute may still change: ends are written with the clocks of several processes."""


class RecentJobs(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs of all slots. `p50_ms`: the median latency of the pictures of the last minutes; None without any."""

    now: datetime
    records: SlotRecords
    activities: dict[str, Activity]
    p50_ms: int | None


class RecentJobReader:
    """Reads the recent jobs of all slots."""

    def __init__(self, records: SlotRecordReader, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._ends = RecentEnds(clock.now())
        self._latencies: list[EndedLatency] = []
        self._settled_to: datetime | None = None
        self._one = asyncio.Lock()

    async def read(self) -> RecentJobs:
        """What they are now. QueueUnavailable."""
        async with self._one:
            now = self._clock.now()
            first, until = bars_since(now), minute_of(now - SETTLED_AFTER)
            settled_to, self._settled_to = self._settled_to, None
            if settled_to is None or not first <= settled_to <= until:  # too long ago, or the clock was put back
                self._ends, self._latencies, settled_to = RecentEnds(now), [], first
            records = await self._records.read(now=now, ended_since=settled_to)
            # Of many slots it takes too long for an event loop. What is kept is used again only if this ends.
            recent, self._latencies = await asyncio.to_thread(
                _counted, self._ends, self._latencies, records, now, until
            )
            self._settled_to = until
            return recent


def _counted(
    ends: RecentEnds, latencies: Sequence[EndedLatency], records: SlotRecords, now: datetime, until: datetime
) -> tuple[RecentJobs, list[EndedLatency]]:
    """The recent jobs, and the settled latencies of the last minutes. Keeps in `ends` what ended before `until`."""
    ends.advance(now)
    ends.add(one for one in records.ended if one.minute < until)
    found = ends.activities(unsettled=[one for one in records.ended if one.minute >= until])
    lately = lately_since(now)
    known = [one for one in (*latencies, *records.latencies) if one.minute >= lately]
    buckets: dict[int, int] = {}
    for one in known:
        buckets[one.bucket] = buckets.get(one.bucket, 0) + one.count
    recent = RecentJobs(now=now, records=records, activities=found, p50_ms=percentile(buckets, 0.5))
    return recent, [one for one in known if one.minute < until]
