"""The ResultIndex port in memory."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from ....core.domain.audit import AuditEntry
from ....core.domain.job import Job, LogEntry, LogEvent
from ....core.domain.pagination import Page, Position
from ....core.domain.results.listing import ListedResult, ResultFilter, Visibility
from ..audit import MemoryAuditLog
from ..database import MemoryDatabase


class MemoryResultIndex:
    """The results of a MemoryDatabase."""

    def __init__(self, database: MemoryDatabase, audit: MemoryAuditLog) -> None:
        self._db = database
        self._audit = audit

    async def find(
        self, wanted: ResultFilter, *, now: datetime, limit: int, after: Position | None = None
    ) -> Page[ListedResult]:
        ended = [
            (job.finalized_at, job.id, listed)
            for job in self._db.jobs.values()
            if job.finalized_at is not None
            and job.result is not None
            and job.result_purged_at is None
            and job.result.expires_at > now
            and job.erased_at is None
            and wanted.matches(listed := self._listed(job), job.finalized_at)
            and (after is None or (job.finalized_at, job.id) < (after.at, after.id))
        ]
        ended.sort(key=lambda row: row[:2], reverse=True)
        page = ended[:limit]
        return Page(tuple(listed for *_, listed in page), Position(*page[-1][:2]) if len(ended) > limit else None)

    async def count(self, wanted: ResultFilter, *, now: datetime, limit: int) -> int:
        return len((await self.find(wanted, now=now, limit=limit)).items)

    async def set_visibility(
        self, job_id: UUID, visibility: Visibility, *, at: datetime, audit: AuditEntry | None = None
    ) -> bool:
        job = self._db.jobs.get(job_id)
        if job is None or job.result is None or self._listed(job).visibility is visibility:
            return False
        self._audit.write(audit)
        self._db.hidden ^= {job_id}
        self._db.log(LogEntry(job_id, at, LogEvent.VISIBILITY, {"visibility": str(visibility)}))
        self._db.wake("moved")
        return True

    def _listed(self, job: Job) -> ListedResult:
        return ListedResult(job, Visibility.HIDDEN if job.id in self._db.hidden else Visibility.SHOWN)

    async def note_answered(self, job_id: UUID, *, at: datetime) -> None:
        if job_id in self._db.jobs:
            self._db.answered.add(job_id)
