"""Statistics as a port: a query has no rule of its own, so adapters implement it straight."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from ..stats import SlotCounts


class StatsService(Protocol):
    """Counts of ended jobs. The queue adds to them in the finalizing transaction."""

    async def counts(self, *, start: datetime, end: datetime) -> dict[str, SlotCounts]:
        """Counts by slot id of jobs finalized from `start` (whole UTC hours) up to and without `end`; slots without
        any are left out. QueueUnavailable."""
        ...
