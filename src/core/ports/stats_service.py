"""The StatsService port: counts of finished jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from ..domain.stats.summary import StatsCell, StatsOutcome


class StatsService(Protocol):
    """Counts of finished jobs without test runs. The queue records each job in the finalizing transaction.

    Jobs that `JobRepository.prune` removes stay counted.
    """

    async def cells(
        self,
        bounds: Sequence[datetime],
        *,
        slot_id: str | None = None,
        provider_id: str | None = None,
        since: datetime | None = None,
    ) -> list[StatsCell]:
        """Counts of jobs finalized from each of `bounds` (ascending, whole quarter hours) up to and without the next.

        A cell's `period` is the number of its first bound; empty cells are left out. Only of this slot, and only of
        jobs that this provider ended ('': none did), where they are given. With `since`, the slot's newest reset mark,
        only what ended from then on, exact to the microsecond. QueueUnavailable.
        """
        ...

    async def cells_by_slot(
        self,
        bounds: Sequence[datetime],
        *,
        provider_id: str | None = None,
    ) -> dict[str, list[StatsCell]]:
        """The same for each slot, by its id; slots without a job are left out.

        QueueUnavailable.
        """
        ...

    async def outcomes_by_slot(
        self, start: datetime, end: datetime, *, marks: Mapping[str, datetime]
    ) -> dict[str, dict[StatsOutcome, int]]:
        """Numbers of jobs finalized from `start` up to and without `end` (whole quarter hours), by slot and outcome.

        What is 0 is left out. `marks` are the newest reset marks of slots that count only from then on.
        QueueUnavailable.
        """
        ...

    async def fold(self, *, before: datetime, limit: int) -> int:
        """Add up to `limit` recorded jobs that ended before a moment to the sums; returns how many. No count changes.

        Does nothing while a rebuild is under way. QueueUnavailable.
        """
        ...

    async def rebuild(self, *, before: datetime) -> int:
        """Recompute the counts from all retained jobs in one transaction; returns how many.

        Jobs that ended `before` go into the sums. Counts of pruned jobs stay. Jobs may end meanwhile. QueueUnavailable.
        """
        ...
