"""Whether galleries show a result."""

from __future__ import annotations

from uuid import UUID

from ...domain.accounts import Actor
from ...domain.audit import AuditAction, audit_entry
from ...domain.errors import MediaNotFound
from ...domain.job import GUEST_SOURCES
from ...domain.results.files import live_result
from ...domain.results.listing import ListedResult, Visibility
from ...ports.clock import Clock
from ...ports.repositories.job_repository import JobRepository
from ...ports.repositories.result_index import ResultIndex


class ResultVisibility:
    """Hides results from galleries and shows them again. Methods may also raise QueueUnavailable."""

    def __init__(self, jobs: JobRepository, results: ResultIndex, clock: Clock) -> None:
        self._jobs = jobs
        self._results = results
        self._clock = clock

    async def set(self, job_id: UUID, visibility: Visibility, *, by: Actor) -> ListedResult:
        """Set the visibility of a job's result; the change is audited. JobNotFound, MediaNotFound, MediaExpired."""
        job, now = await self._jobs.get(job_id), self._clock.now()
        live_result(job, now)
        if job.source not in GUEST_SOURCES:
            raise MediaNotFound("This is the picture of a test run: no gallery has it.")
        action = AuditAction.RESULT_HIDDEN if visibility is Visibility.HIDDEN else AuditAction.RESULT_SHOWN
        entry = audit_entry(action, by, now=now, target=str(job_id), slot_id=job.slot_id)
        await self._results.set_visibility(job_id, visibility, at=now, audit=entry)
        return ListedResult(job, visibility)
