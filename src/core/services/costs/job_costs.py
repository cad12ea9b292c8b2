"""What jobs cost, as administrators see it."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import msgspec

from ...domain.costs.currency import Currency
from ...domain.costs.ledger import CostSum, LedgerCall, cost_of, sum_of
from ...domain.job import Job
from ...ports.cost_ledger import CostLedger
from ..settings.service import SettingsService


class CostsOfJob(msgspec.Struct, frozen=True):
    """The calls of a job that might have cost something, oldest first, and the currency in which they are shown."""

    calls: list[LedgerCall]
    currency: Currency

    @property
    def sum(self) -> CostSum:
        """What the job cost."""
        return sum_of(map(cost_of, self.calls))


class JobCosts:
    """Reads the ledger by jobs. Methods may raise QueueUnavailable."""

    def __init__(self, ledger: CostLedger, settings: SettingsService) -> None:
        self._ledger = ledger
        self._settings = settings

    async def of_jobs(self, jobs: Collection[Job]) -> dict[UUID, CostSum]:
        """Return what these jobs cost; jobs without a call are left out."""
        return await self._ledger.costs([job.id for job in jobs])

    async def of_job(self, job: Job) -> CostsOfJob:
        """Return the calls of a job."""
        return CostsOfJob(await self._ledger.of_job(job.id), (await self._settings.current()).currency)
