"""The GuestData port in memory."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import msgspec

from ....core.domain.audit import AuditEntry
from ....core.domain.guest_data import erased, erased_entry, without_guest, without_words
from ....core.domain.job import Job, Outcome
from ....core.ports.repositories.guest_data import Erasure
from ..audit import MemoryAuditLog
from ..database import MemoryDatabase
from ..media import MemoryMediaRepository


class MemoryGuestData:
    """Jobs, log entries and last requests of a MemoryDatabase, and the links of its media objects."""

    def __init__(self, database: MemoryDatabase, media: MemoryMediaRepository, audit: MemoryAuditLog) -> None:
        self._db = database
        self._media = media
        self._audit = audit

    async def erase(self, job_id: UUID, outcome: Outcome, *, audit: AuditEntry | None = None) -> Erasure:
        job = self._db.job(job_id)
        if job.erased_at is not None:
            return Erasure(job, False)
        at = outcome.finalized_at
        ends = not job.state.finalized
        self._audit.write(audit)
        gone = erased(self._db.end(job, outcome) if ends else job, at)
        self._db.jobs[job_id] = gone
        self._forget_records({job_id})
        self._media.expire_links(job_id, at)
        self._db.log(erased_entry(gone, at))
        self._db.wake("moved")
        return Erasure(gone, ends)

    async def due(self, *, now: datetime, ended_before: datetime, erased_before: datetime, limit: int) -> list[Job]:
        def is_due(job: Job) -> bool:
            if job.finalized_at is None or job.forgotten_at is not None:
                return False
            if job.erased_at is not None:
                return job.erased_at <= erased_before
            if job.result is None:
                return job.finalized_at <= ended_before
            return job.result_purged_at is None and job.result.expires_at <= now

        found = [(job.finalized_at or now, job.id, job) for job in self._db.jobs.values() if is_due(job)]
        found.sort(key=lambda row: row[:2])
        return [job for *_, job in found[:limit]]

    async def forget(self, job_ids: Collection[UUID], *, now: datetime) -> int:
        known = {job_id for job_id in job_ids if job_id in self._db.jobs and self._db.jobs[job_id].state.finalized}
        forgotten = sum(self._db.jobs[job_id].forgotten_at is None for job_id in known)
        for job_id in known:
            job = without_guest(self._db.jobs[job_id])
            purged_at = None if job.result is None else job.result_purged_at or now
            self._db.jobs[job_id] = msgspec.structs.replace(
                job, forgotten_at=job.forgotten_at or now, result_purged_at=purged_at
            )
        self._forget_records(known)
        return forgotten

    def _forget_records(self, job_ids: Collection[UUID]) -> None:
        self._db.events = [
            msgspec.structs.replace(event, entry=without_words(event.entry)) if event.entry.job_id in job_ids else event
            for event in self._db.events
        ]
        requests = self._db.ingest_requests
        for slot_id in [slot_id for slot_id, request in requests.items() if request.job_id in job_ids]:
            del requests[slot_id]
