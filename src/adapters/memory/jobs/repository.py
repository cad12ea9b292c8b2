"""The JobRepository port in memory."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from ....core.domain.job import Job
from ....core.domain.media import MediaKey
from ....core.domain.pagination import JobFilter, JobOrder, Page, Position
from ....core.domain.results.files import result_keys
from ..database import MemoryDatabase


class MemoryJobRepository:
    """The jobs of a MemoryDatabase."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database

    async def get(self, job_id: UUID) -> Job:
        return self._db.job(job_id)

    async def find(self, wanted: JobFilter, *, order: JobOrder, limit: int, after: Position | None = None) -> Page[Job]:
        by_end = order in (JobOrder.ENDED_LAST, JobOrder.ENDED_FIRST)
        newest_first = order in (JobOrder.NEWEST, JobOrder.ENDED_LAST)
        found = [
            (at, job.id, job)
            for job in self._db.jobs.values()
            if wanted.matches(job) and (at := job.finalized_at if by_end else job.created_at) is not None
        ]
        found.sort(key=_place, reverse=newest_first)
        if after is not None:
            start = (after.at, after.id)
            found = [row for row in found if (_place(row) < start if newest_first else _place(row) > start)]
        page = found[:limit]
        return Page(tuple(job for *_, job in page), Position(*_place(page[-1])) if len(found) > limit else None)

    async def prune(self, *, before: datetime, limit: int) -> int:
        kept_from = self._db.jobs_kept_from
        self._db.jobs_kept_from = before if kept_from is None else max(kept_from, before)
        old = [
            (job.finalized_at, job.id, job)
            for job in self._db.jobs.values()
            if job.finalized_at is not None
            and job.finalized_at < before
            and (job.result is None or job.result_purged_at is not None)
        ]
        old.sort(key=_place)
        gone = {job_id for _, job_id, _ in old[:limit]}
        for job_id in gone:
            del self._db.jobs[job_id]
        self._db.answered -= gone
        self._db.hidden -= gone
        self._db.events = [event for event in self._db.events if event.entry.job_id not in gone]
        self._db.deliveries = {id: one for id, one in self._db.deliveries.items() if one.job_id not in gone}
        return len(gone)

    async def in_use(self, keys: Collection[MediaKey]) -> set[MediaKey]:
        needed: set[MediaKey] = set()
        for job in self._db.jobs.values():
            if not job.state.finalized:
                needed.add(job.photo.file.key)
            if job.result is not None and job.result_purged_at is None and job.erased_at is None:
                needed.update(result_keys(job.result.file.key))
        return needed & set(keys)


def _place(row: tuple[datetime, UUID, Job]) -> tuple[datetime, UUID]:
    """Where a job stands in a list, by a moment and its id."""
    return row[:2]
