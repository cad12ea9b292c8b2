"""What calls have cost since the beginning of a day, read often: the quarter hours that have ended are read once."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from ...domain.costs.ledger import NO_COST, CostSum
from ...domain.stats.time_ranges import quarter_of
from ...ports.clock import Clock
from ...ports.cost_ledger import CostLedger

SETTLED_AFTER = timedelta(minutes=5)
"""How long after its end a quarter hour may still change: calls are entered with the moment at which they began."""

_MAX_KEPT = 4


class _Kept(msgspec.Struct, frozen=True):
    until: datetime
    costs: dict[str, CostSum]


class DayCosts:
    """Costs by slot. A call that is entered or changed later than `SETTLED_AFTER` shows after the next quarter hour."""

    def __init__(self, ledger: CostLedger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._kept: dict[datetime, _Kept] = {}

    async def by_slot(self, start: datetime, end: datetime) -> dict[str, CostSum]:
        """The costs of each slot with a call in a range of whole quarter hours. QueueUnavailable."""
        until = max(quarter_of(self._clock.now() - SETTLED_AFTER), start)
        costs = {**await self._before(start, until)} if until < end else {}
        for slot_id, cost in (await self._read(until if until < end else start, end)).items():
            costs[slot_id] = costs.get(slot_id, NO_COST) + cost
        return costs

    async def _before(self, start: datetime, until: datetime) -> dict[str, CostSum]:
        kept = self._kept.get(start)
        if kept is None or kept.until != until:
            kept = _Kept(until, await self._read(start, until) if start < until else {})
            self._kept.pop(start, None)
            self._kept[start] = kept
            while len(self._kept) > _MAX_KEPT:
                del self._kept[next(iter(self._kept))]
        return kept.costs

    async def _read(self, start: datetime, end: datetime) -> dict[str, CostSum]:
        costs: dict[str, CostSum] = {}
        for cell in await self._ledger.cells((start, end)):
            costs[cell.slot_id] = costs.get(cell.slot_id, NO_COST) + cell.cost
        return costs
