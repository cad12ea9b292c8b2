"""Whether galleries show a result."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from ...domain.accounts import Actor
from ...domain.audit import AuditAction, audit_entry
from ...domain.errors import MediaNotFound
from ...domain.job import GUEST_SOURCES, Job
from ...domain.results.files import live_result
from ...domain.results.listing import ListedResult, ResultFilter, Visibility
from ...ports.clock import Clock
from ...ports.repositories.job_repository import JobRepository
from ...ports.repositories.result_index import ResultIndex


class ResultVisibility:
    """Results with their visibility: read, hidden from galleries, shown again. All may raise QueueUnavailable."""

    def __init__(self, jobs: JobRepository, results: ResultIndex, clock: Clock) -> None:
        self._jobs = jobs
        self._results = results
        self._clock = clock

    async def get(self, job_id: UUID) -> ListedResult:
        """The result of a guest's job with its visibility. JobNotFound, MediaNotFound, MediaExpired."""
        now = self._clock.now()
        await self._guests_job(job_id, now)
        page = await self._results.find(ResultFilter(job_ids=(job_id,)), now=now, limit=1)
        if not page.items:
            raise MediaNotFound("The picture was erased.")  # after it was found
        return page.items[0]

    async def set(self, job_id: UUID, visibility: Visibility, *, by: Actor) -> ListedResult:
        """Set the visibility of a job's result; the change is audited. JobNotFound, MediaNotFound, MediaExpired."""
        now = self._clock.now()
        job = await self._guests_job(job_id, now)
        action = AuditAction.RESULT_HIDDEN if visibility is Visibility.HIDDEN else AuditAction.RESULT_SHOWN
        entry = audit_entry(action, by, now=now, target=str(job_id), slot_id=job.slot_id)
        await self._results.set_visibility(job_id, visibility, at=now, audit=entry)
        return ListedResult(job, visibility)

    async def _guests_job(self, job_id: UUID, now: datetime) -> Job:
        """The job, whose result is available and was made for a guest."""
        job = await self._jobs.get(job_id)
        live_result(job, now)
        if job.source not in GUEST_SOURCES:
            raise MediaNotFound("This is the picture of a test run: no gallery has it.")
        return job
