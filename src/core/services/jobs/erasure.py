"""Erasure of guests on request.

The job is marked in the database first, which ends it and closes its links; then its files are deleted. If that is
interrupted, the sweeper goes on. It also repeats each erasure once, after all that was being written at that moment.
"""

from __future__ import annotations

from uuid import UUID

from ...domain.accounts import Actor
from ...domain.audit import AuditAction, audit_entry
from ...domain.job import cancelled
from ...ports.clock import Clock
from ...ports.repositories.guest_data import GuestData
from ...ports.repositories.job_repository import JobRepository
from ...ports.telemetry import Telemetry
from ..support.null_telemetry import NULL_TELEMETRY
from .guest_files import GuestFiles


class GuestErasure:
    """Erases the guests of jobs."""

    def __init__(
        self,
        guests: GuestData,
        jobs: JobRepository,
        files: GuestFiles,
        clock: Clock,
        *,
        telemetry: Telemetry = NULL_TELEMETRY,
    ) -> None:
        self._guests = guests
        self._jobs = jobs
        self._files = files
        self._clock = clock
        self._telemetry = telemetry

    async def erase(self, job_id: UUID, *, by: Actor) -> None:
        """Erase the guest of a job: picture, previews, photo, media objects, metadata. A live job is cancelled.

        JobNotFound, QueueUnavailable: nothing is erased. StorageUnavailable: the links are closed and the metadata is
        deleted, but files are left, to the sweeper or a further call. Erasing again does no harm.
        """
        job = await self._jobs.get(job_id)
        now = self._clock.now()
        entry = audit_entry(AuditAction.JOB_ERASED, by, now=now, target=str(job_id), slot_id=job.slot_id)
        erasure = await self._guests.erase(job_id, cancelled(now), audit=entry)
        if erasure.ended:
            self._telemetry.job_ended(job.slot_id, job.source, erasure.job.failure_reason)
        await self._files.delete(erasure.job)
