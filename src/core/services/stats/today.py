"""What the slots did today, read often: the quarter hours that have ended are read once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime

import msgspec

from ...domain.costs.ledger import NO_COST, CostCell, CostSum
from ...domain.slots.slot import Slot
from ...domain.stats.summary import StatsOutcome, StatsSummary, by_field
from ...domain.stats.time_ranges import quarter_of
from ...ports.clock import Clock
from ...ports.cost_ledger import CostLedger
from ...ports.stats_service import StatsService
from ..costs.day_costs import SETTLED_AFTER

_MAX_KEPT = 16
"""Days that are kept: one for each time zone that is asked for."""


class _Sums(msgspec.Struct, frozen=True):
    outcomes: Mapping[str, Mapping[StatsOutcome, int]]
    costs: Mapping[str, CostSum]


class _Kept(msgspec.Struct, frozen=True):
    until: datetime
    marks: Mapping[str, datetime]
    sums: _Sums


class TodayBySlot:
    """Outcomes and costs of each slot since the beginning of a day, or since its reset mark."""

    def __init__(self, stats: StatsService, ledger: CostLedger, clock: Clock) -> None:
        self._stats = stats
        self._ledger = ledger
        self._clock = clock
        self._kept: dict[datetime, _Kept] = {}

    async def get(self, start: datetime, end: datetime, slots: Collection[Slot]) -> dict[str, StatsSummary]:
        """The figures of each of these slots in a range of whole quarter hours, without latency. QueueUnavailable."""
        marks = {slot.id: max(slot.stats_reset_at, start) for slot in slots if slot.stats_reset_at is not None}
        until = max(quarter_of(self._clock.now() - SETTLED_AFTER), start)
        before, after = await asyncio.gather(self._before(start, until, marks), self._read(until, end, marks))
        # Of many slots it takes too long for an event loop.
        return await asyncio.to_thread(lambda: {slot.id: _figures(slot.id, before, after) for slot in slots})

    async def _before(self, start: datetime, until: datetime, marks: Mapping[str, datetime]) -> _Sums:
        kept = self._kept.get(start)
        if kept is None or kept.until != until or kept.marks != marks:
            kept = _Kept(until, marks, await self._read(start, until, marks))
            self._kept.pop(start, None)
            self._kept[start] = kept
            while len(self._kept) > _MAX_KEPT:
                del self._kept[next(iter(self._kept))]
        return kept.sums

    async def _read(self, start: datetime, end: datetime, marks: Mapping[str, datetime]) -> _Sums:
        if start == end:
            return _Sums({}, {})
        inside = {slot_id: mark for slot_id, mark in marks.items() if mark > start}
        outcomes, cells = await asyncio.gather(
            self._stats.outcomes_by_slot(start, end, marks=inside), self._ledger.cells((start, end))
        )
        costs = _by_slot(cells)
        for slot_id, mark in inside.items():
            if slot_id in costs:
                costs |= {slot_id: NO_COST}
                if mark < end:
                    costs |= _by_slot(await self._ledger.cells((start, end), slot_id=slot_id, since=mark))
        return _Sums(outcomes, costs)


def _by_slot(cells: Collection[CostCell]) -> dict[str, CostSum]:
    costs: dict[str, CostSum] = {}
    for cell in cells:
        costs[cell.slot_id] = costs.get(cell.slot_id, NO_COST) + cell.cost
    return costs


def _figures(slot_id: str, *parts: _Sums) -> StatsSummary:
    counts: dict[StatsOutcome, int] = {}
    cost = NO_COST
    for part in parts:
        for outcome, count in part.outcomes.get(slot_id, {}).items():
            counts[outcome] = counts.get(outcome, 0) + count
        if (more := part.costs.get(slot_id)) is not None:
            cost += more
    return StatsSummary(**by_field(counts), cost=cost)
