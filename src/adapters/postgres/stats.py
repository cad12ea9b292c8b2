"""The StatsService port on the hourly counts that the finalizing statement keeps."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from ...core.stats import SlotCounts
from .engine import Database
from .tables import stats_hourly


class PostgresStatsService:
    """Sums of `stats_hourly`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def counts(self, *, start: datetime, end: datetime) -> dict[str, SlotCounts]:
        query = (
            select(stats_hourly.c.slot_id, stats_hourly.c.outcome, func.sum(stats_hourly.c.count).label("total"))
            .where(stats_hourly.c.hour >= start, stats_hourly.c.hour < end)
            .group_by(stats_hourly.c.slot_id, stats_hourly.c.outcome)
        )
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        by_slot: dict[str, dict[str, int]] = {}
        for slot_id, outcome, total in rows:
            by_slot.setdefault(slot_id, {})[outcome] = int(total)
        return {slot_id: SlotCounts(**by_outcome) for slot_id, by_outcome in by_slot.items()}
