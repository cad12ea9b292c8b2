"""The StatsService port in memory."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from ...core.domain.stats.summary import StatsCell, StatsOutcome, ended_job
from .database import MemoryDatabase


class MemoryStatsService:
    """Every ended job is kept as it counts, so there are no sums to fold into."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database

    async def cells(
        self,
        bounds: Sequence[datetime],
        *,
        slot_id: str | None = None,
        provider_id: str | None = None,
        since: datetime | None = None,
    ) -> list[StatsCell]:
        counts: Counter[tuple[int, str, StatsOutcome, int]] = Counter()
        for ended in self._db.ended:
            period = bisect_right(bounds, ended.at) - 1
            if (
                0 <= period < len(bounds) - 1
                and slot_id in (None, ended.slot_id)
                and provider_id in (None, ended.provider_id)
                and (since is None or ended.at >= since)
            ):
                counts[period, ended.provider_id, ended.outcome, ended.bucket] += 1
        return [StatsCell(*key, count) for key, count in counts.items()]

    async def cells_by_slot(
        self,
        bounds: Sequence[datetime],
        *,
        provider_id: str | None = None,
    ) -> dict[str, list[StatsCell]]:
        found: dict[str, list[StatsCell]] = {}
        for one in sorted({ended.slot_id for ended in self._db.ended}):
            cells = await self.cells(bounds, slot_id=one, provider_id=provider_id)
            if cells:
                found[one] = cells
        return found

    async def outcomes_by_slot(
        self, start: datetime, end: datetime, *, marks: Mapping[str, datetime]
    ) -> dict[str, dict[StatsOutcome, int]]:
        found: dict[str, dict[StatsOutcome, int]] = {}
        for ended in self._db.ended:
            if max(start, marks.get(ended.slot_id, start)) <= ended.at < end:
                outcomes = found.setdefault(ended.slot_id, {})
                outcomes[ended.outcome] = outcomes.get(ended.outcome, 0) + 1
        return found

    async def fold(self, *, before: datetime, limit: int) -> int:
        return 0

    async def rebuild(self, *, before: datetime) -> int:
        kept_from = self._db.jobs_kept_from
        counted = [
            ended
            for job in self._db.jobs.values()
            if (ended := ended_job(job)) is not None and (kept_from is None or ended.at >= kept_from)
        ]
        pruned = [ended for ended in self._db.ended if kept_from is not None and ended.at < kept_from]
        self._db.ended = pruned + counted
        return len(counted)
