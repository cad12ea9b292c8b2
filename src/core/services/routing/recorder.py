"""The records of a route's calls: attempts in the processing log, and reports to the shared limits."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection
from uuid import UUID

from ...domain.errors import QueueUnavailable
from ...domain.guest_data import without_words
from ...domain.job import Claim, LogEntry
from ...ports.repositories.job_log import JobLog
from ..costs.call_costs import CallCosts
from ..support.concurrency import BackgroundTasks
from .outcome import CallReport
from .shared_limits import SharedLimits

_log = logging.getLogger("photochanger.routing")


class AttemptRecorder:
    """Writes records; an outage of the database loses them with a warning."""

    def __init__(self, log: JobLog, limits: SharedLimits, costs: CallCosts) -> None:
        self._entries = log
        self._limits = limits
        self._costs = costs
        self._background = BackgroundTasks()
        self._of_job: defaultdict[UUID, set[asyncio.Task[None]]] = defaultdict(set)

    async def record(self, claim: Claim, attempts: Collection[LogEntry], reports: Collection[CallReport] = ()) -> None:
        """Append attempts to the processing log, and report calls to the shared limits."""
        try:
            if attempts:
                await self._entries.append(attempts)
        except QueueUnavailable as error:
            for entry in attempts:
                detail = without_words(entry).detail
                _log.warning("log entry of job %s lost: %s; it was %s", entry.job_id, error.detail, detail)
        for report in reports:
            await self._limits.report(claim, report)

    def record_in_background(
        self, claim: Claim, attempts: Collection[LogEntry], reports: Collection[CallReport] = ()
    ) -> None:
        """Do the same without making the guest wait."""
        if attempts or reports:
            job_id = claim.job.id
            task = self._background.start(self.record(claim, attempts, reports), name=f"log of job {job_id}")
            self._of_job[job_id].add(task)
            task.add_done_callback(lambda task: self._forget(job_id, task))

    async def settle(self, job_id: UUID) -> None:
        """Wait until what is written of this job in the background has been written, so that its end comes after it.

        That includes what its calls cost.
        """
        await self._costs.written(job_id)
        if writing := self._of_job.get(job_id):
            await asyncio.wait(tuple(writing))

    def _forget(self, job_id: UUID, task: asyncio.Task[None]) -> None:
        self._of_job[job_id].discard(task)
        if not self._of_job[job_id]:
            del self._of_job[job_id]

    async def close(self) -> None:
        """Finish what is written in the background."""
        await self._background.close()
        await self._costs.close()
