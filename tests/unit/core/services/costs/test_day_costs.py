"""The costs of a day: ended quarter hours are read once, and every sum is that of a direct reading."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from photochanger.adapters.memory import FakeClock, MemoryCostLedger, MemoryDatabase
from photochanger.core.domain.costs.call_cost import Charged
from photochanger.core.domain.costs.ledger import CostCell, LedgerCall
from photochanger.core.services.costs.day_costs import DayCosts

pytestmark = pytest.mark.anyio

MIDNIGHT = datetime(2026, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


class CountedLedger(MemoryCostLedger):
    """The ledger in memory, with the ranges that were asked for."""

    def __init__(self) -> None:
        super().__init__(MemoryDatabase(FakeClock()))
        self.asked: list[tuple[datetime, ...]] = []

    async def cells(
        self,
        bounds: Sequence[datetime],
        *,
        slot_id: str | None = None,
        provider_id: str | None = None,
        since: datetime | None = None,
    ) -> list[CostCell]:
        self.asked.append(tuple(bounds))
        return await super().cells(bounds, slot_id=slot_id, provider_id=provider_id, since=since)


def call(at: datetime, slot_id: str = "slot-001") -> LedgerCall:
    """A call for one millionth of a dollar."""
    return LedgerCall(
        id=uuid4(),
        job_id=uuid4(),
        slot_id=slot_id,
        provider_id="gemini",
        operation_id="image_edit",
        attempt=1,
        entry=0,
        call=1,
        at=at,
        usd_micros=1,
        charged=Charged.YES,
    )


async def spent(costs: DayCosts) -> dict[str, int]:
    found = await costs.by_slot(MIDNIGHT, MIDNIGHT + DAY)
    return {slot_id: cost.usd_micros for slot_id, cost in found.items()}


async def test_sums_are_exact_through_a_day() -> None:
    clock, ledger = FakeClock(MIDNIGHT), CountedLedger()
    costs = DayCosts(ledger, clock)
    expected: dict[str, int] = {}
    for step in range(60):
        slot_id = f"slot-00{1 + step % 3}"
        await ledger.settle(call(clock.now(), slot_id))
        expected[slot_id] = expected.get(slot_id, 0) + 1
        assert await spent(costs) == expected
        await clock.advance(timedelta(minutes=step % 11, seconds=step))


async def test_ended_quarters_are_read_once_and_late_entries_are_seen_at_the_next_one() -> None:
    clock, ledger = FakeClock(MIDNIGHT + timedelta(hours=18, minutes=6)), CountedLedger()
    costs = DayCosts(ledger, clock)
    for _ in range(4):
        assert await spent(costs) == {}
    settled = MIDNIGHT + timedelta(hours=18)
    assert ledger.asked.count((MIDNIGHT, settled)) == 1
    await ledger.settle(call(settled - MINUTE))
    await clock.advance(14 * MINUTE)
    assert await spent(costs) == {"slot-001": 1}


async def test_a_day_that_has_ended_is_read_whole() -> None:
    clock, ledger = FakeClock(MIDNIGHT + 3 * DAY), CountedLedger()
    costs = DayCosts(ledger, clock)
    await ledger.settle(call(MIDNIGHT))
    await ledger.settle(call(MIDNIGHT + DAY - MINUTE))
    assert await spent(costs) == {"slot-001": 2}
