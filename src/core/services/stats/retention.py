"""What is kept of ended jobs, and for how long: they are counted into sums, and forgotten when they are old."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from ...domain.stats import SETTLED_AFTER
from ...ports.clock import Clock
from ...ports.job_repository import JobRepository
from ...ports.stats_service import StatsService

_FOLD_BATCH = 5000
_PRUNE_BATCH = 200


class Retention:
    """Keeps jobs and their logs for `kept`, and their statistics for ever."""

    def __init__(self, *, jobs: JobRepository, stats: StatsService, clock: Clock, kept: timedelta) -> None:
        self._jobs = jobs
        self._stats = stats
        self._clock = clock
        self._kept = kept

    async def fold(self) -> None:
        """Count the jobs that ended more than a minute ago into the sums. QueueUnavailable."""
        before = self._clock.now() - SETTLED_AFTER
        folded = _FOLD_BATCH
        while folded == _FOLD_BATCH:
            folded = await self._stats.fold(before=before, limit=_FOLD_BATCH)
            await asyncio.sleep(0)  # let requests through between batches

    async def prune(self) -> int:
        """Forget the jobs that ended too long ago, with all that belongs to them; returns how many. QueueUnavailable.

        The sums are by hours at the coarsest, so jobs are forgotten by whole hours: what can be counted anew from those
        that are kept is whole.
        """
        before = (self._clock.now() - self._kept).replace(minute=0, second=0, microsecond=0)
        total = 0
        while pruned := await self._jobs.prune(before=before, limit=_PRUNE_BATCH):
            total += pruned
            await asyncio.sleep(0)
        return total
