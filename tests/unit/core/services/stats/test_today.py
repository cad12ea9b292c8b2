"""What the slots did today: the ended quarter hours are read once, and every count is that of a direct reading."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from photochanger.adapters.memory import FakeClock, MemoryCostLedger, MemoryDatabase, MemoryStatsService
from photochanger.core.domain.costs.call_cost import Charged
from photochanger.core.domain.costs.ledger import LedgerCall
from photochanger.core.domain.slots.slot import Route, Slot
from photochanger.core.domain.stats.summary import Ended, StatsOutcome
from photochanger.core.services.stats.today import TodayBySlot

pytestmark = pytest.mark.anyio

MIDNIGHT = datetime(2026, 5, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
QUARTER = 15 * MINUTE


class CountedStats(MemoryStatsService):
    """The statistics in memory, with the ranges that were asked for."""

    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database)
        self.asked: list[tuple[datetime, datetime]] = []

    async def outcomes_by_slot(
        self, start: datetime, end: datetime, *, marks: Mapping[str, datetime]
    ) -> dict[str, dict[StatsOutcome, int]]:
        self.asked.append((start, end))
        return await super().outcomes_by_slot(start, end, marks=marks)


class Evening:
    """Jobs that end and calls that cost something, and what of it counts today."""

    def __init__(self, at: datetime) -> None:
        self.clock = FakeClock(at)
        self.database = MemoryDatabase(self.clock)
        self.stats = CountedStats(self.database)
        self.ledger = MemoryCostLedger(self.database)
        self.today = TodayBySlot(self.stats, self.ledger, self.clock)
        self.slots = {slot_id: Slot(slot_id, slot_id, True, Route(())) for slot_id in ("slot-001", "slot-002")}

    async def end(self, slot_id: str = "slot-001", outcome: StatsOutcome = StatsOutcome.SUCCESS) -> None:
        """A job that ends now, after a call for a dollar."""
        now = self.clock.now()
        self.database.ended.append(Ended(slot_id=slot_id, at=now, provider_id="gemini", outcome=outcome, bucket=-1))
        await self.ledger.settle(
            LedgerCall(
                id=uuid4(),
                job_id=uuid4(),
                slot_id=slot_id,
                provider_id="gemini",
                operation_id="image_edit",
                attempt=1,
                entry=0,
                call=1,
                at=now,
                usd_micros=1_000_000,
                charged=Charged.YES,
            )
        )

    def reset(self, slot_id: str) -> None:
        """Reset the statistics of a slot now."""
        slot = self.slots[slot_id]
        self.slots[slot_id] = Slot(slot.id, slot.name, True, slot.route, stats_reset_at=self.clock.now())

    async def figures(self) -> dict[str, tuple[int, int, int, int]]:
        """Of each slot: jobs, pictures, failures of the provider, dollars."""
        now = self.clock.now()
        end = now - (now - MIDNIGHT) % QUARTER + QUARTER
        found = await self.today.get(MIDNIGHT, end, [*self.slots.values()])
        return {
            slot_id: (one.ingest_count, one.success, one.provider_errors, one.cost.usd_micros // 1_000_000)
            for slot_id, one in found.items()
        }


async def test_counts_and_costs_are_exact_through_the_quarters() -> None:
    evening = Evening(MIDNIGHT + timedelta(hours=18))
    expected = {"slot-001": 0, "slot-002": 0}
    for step in range(40):
        slot_id = f"slot-00{1 + step % 2}"
        await evening.end(slot_id)
        expected[slot_id] += 1
        assert await evening.figures() == {id: (n, n, 0, n) for id, n in expected.items()}
        await evening.clock.advance(2 * MINUTE + timedelta(seconds=step))


async def test_ended_quarters_are_read_once() -> None:
    evening = Evening(MIDNIGHT + timedelta(hours=18, minutes=7))
    for _ in range(5):
        await evening.figures()
    settled = MIDNIGHT + timedelta(hours=18)
    assert evening.stats.asked.count((MIDNIGHT, settled)) == 1
    assert evening.stats.asked.count((settled, settled + QUARTER)) == 5


async def test_a_reset_mark_parts_jobs_and_costs_exactly() -> None:
    evening = Evening(MIDNIGHT + timedelta(hours=18))
    for slot_id in evening.slots:
        await evening.end(slot_id)
    await evening.figures()
    evening.reset("slot-001")
    await evening.clock.advance(timedelta(microseconds=1))
    assert await evening.figures() == {"slot-001": (1, 1, 0, 1), "slot-002": (1, 1, 0, 1)}
    evening.reset("slot-001")
    await evening.clock.advance(MINUTE)
    assert await evening.figures() == {"slot-001": (0, 0, 0, 0), "slot-002": (1, 1, 0, 1)}
    await evening.end("slot-001", StatsOutcome.PROVIDER_ERRORS)
    for minutes in (1, 10, 30, 200):
        await evening.clock.advance(minutes * MINUTE)
        assert await evening.figures() == {"slot-001": (1, 0, 1, 1), "slot-002": (1, 1, 0, 1)}, minutes


async def test_days_of_many_zones_are_not_kept_for_ever() -> None:
    evening = Evening(MIDNIGHT + timedelta(hours=18))
    await evening.end()
    for hours in range(40):
        start = MIDNIGHT - timedelta(hours=hours)
        found: dict[str, Any] = await evening.today.get(
            start, MIDNIGHT + timedelta(hours=18) + QUARTER, [*evening.slots.values()]
        )
        assert found["slot-001"].success == 1
    assert len(evening.today._kept) <= 16
