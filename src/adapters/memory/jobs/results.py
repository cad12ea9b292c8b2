"""The ResultIndex port in memory."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from ....core.domain.job import Job, JobSource
from ....core.domain.pagination import Page, Position
from ..database import MemoryDatabase


class MemoryResultIndex:
    """The results and inline previews of a MemoryDatabase."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database

    async def recent(
        self,
        slot_id: str,
        *,
        now: datetime,
        limit: int,
        sources: Collection[JobSource] = tuple(JobSource),
        after: Position | None = None,
    ) -> Page[Job]:
        ended = [
            (job.finalized_at, job.id, job)
            for job in self._db.jobs.values()
            if job.slot_id == slot_id
            and job.source in sources
            and job.finalized_at is not None
            and job.result is not None
            and job.result_purged_at is None
            and job.result.expires_at > now
            and job.erased_at is None
            and (after is None or (job.finalized_at, job.id) < (after.at, after.id))
        ]
        ended.sort(key=lambda row: row[:2], reverse=True)
        page = ended[:limit]
        return Page(tuple(job for *_, job in page), Position(*page[-1][:2]) if len(ended) > limit else None)

    async def newest(self, *, now: datetime) -> dict[str, Job]:
        found: dict[str, Job] = {}
        for slot_id in sorted({job.slot_id for job in self._db.jobs.values()}):
            for job in (await self.recent(slot_id, now=now, limit=1)).items:
                found[slot_id] = job
        return found

    async def store_preview(self, job_id: UUID, preview: bytes) -> bool:
        job = self._db.jobs.get(job_id)
        if job is None or not job.state.finalized or not job.knows_guest or job_id in self._db.answered:
            return False
        self._db.previews[job_id] = preview
        return True

    async def preview(self, job_id: UUID) -> bytes | None:
        return self._db.previews.get(job_id)

    async def clear_preview(self, job_id: UUID, *, answered_at: datetime) -> None:
        if job_id in self._db.jobs:
            self._db.answered.add(job_id)
            self._db.previews.pop(job_id, None)

    async def clear_previews(self, *, finalized_before: datetime, limit: int) -> int:
        old = [
            job_id
            for job_id in self._db.previews
            if (ended_at := self._db.jobs[job_id].finalized_at) is not None and ended_at < finalized_before
        ][:limit]
        for job_id in old:
            del self._db.previews[job_id]
        return len(old)
