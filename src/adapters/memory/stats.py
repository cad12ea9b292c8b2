"""The StatsService port in memory."""

from __future__ import annotations

from datetime import datetime

from ...core.stats import SlotCounts
from .database import MemoryDatabase


class MemoryStatsService:
    """Counts by hour, as the queue over the same database added to them."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database

    async def counts(self, *, start: datetime, end: datetime) -> dict[str, SlotCounts]:
        total: dict[str, SlotCounts] = {}
        for hour, by_slot in self._db.counts.items():
            if start <= hour < end:
                for slot_id, counts in by_slot.items():
                    total[slot_id] = _sum(total.get(slot_id, SlotCounts()), counts)
        return total


def _sum(one: SlotCounts, other: SlotCounts) -> SlotCounts:
    return SlotCounts(**{name: getattr(one, name) + getattr(other, name) for name in one.__struct_fields__})
