"""Retention of ended jobs: they are added to the statistics and deleted when they are old, and so are calls."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import NewType

from ...domain.stats.summary import SETTLED_AFTER
from ...ports.clock import Clock
from ...ports.cost_ledger import CostLedger
from ...ports.repositories.job_repository import JobRepository
from ...ports.stats_service import StatsService
from ..maintenance.task import BATCH

HistoryPeriod = NewType("HistoryPeriod", timedelta)
"""How long ended jobs and their logs are kept."""

_FOLD_BATCH = 5000


class Retention:
    """Keeps jobs with their logs and calls for `kept`, and their statistics and sums of costs for good.

    Methods may raise QueueUnavailable.
    """

    def __init__(
        self, *, jobs: JobRepository, stats: StatsService, ledger: CostLedger, clock: Clock, kept: HistoryPeriod
    ) -> None:
        self._jobs = jobs
        self._stats = stats
        self._ledger = ledger
        self._clock = clock
        self._kept = kept

    async def run(self) -> int:
        """Delete old jobs and add ended ones to the statistics; returns how many were deleted."""
        pruned = await self.prune()
        await self.fold()
        return pruned

    async def fold(self) -> None:
        """Add the jobs that ended more than a minute ago to the sums."""
        before = self._clock.now() - SETTLED_AFTER
        folded = _FOLD_BATCH
        while folded == _FOLD_BATCH:
            folded = await self._stats.fold(before=before, limit=_FOLD_BATCH)
            await asyncio.sleep(0)  # let requests through between batches

    async def prune(self) -> int:
        """Delete the jobs that ended too long ago, with everything that belongs to them; returns how many. Calls that
        began as long ago are added to the sums of costs.

        Only whole hours are deleted, the coarsest unit of the sums, so that sums recomputed from the retained jobs are
        complete.
        """
        before = (self._clock.now() - self._kept).replace(minute=0, second=0, microsecond=0)
        folded = _FOLD_BATCH
        while folded == _FOLD_BATCH:
            folded = await self._ledger.fold(before=before, limit=_FOLD_BATCH)
            await asyncio.sleep(0)
        total = 0
        while pruned := await self._jobs.prune(before=before, limit=BATCH):
            total += pruned
            await asyncio.sleep(0)
        return total
