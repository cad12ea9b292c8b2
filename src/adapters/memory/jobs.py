"""The JobRepository port in memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import msgspec

from ...core.domain.job import (
    Job,
    JobEvent,
    JobFilter,
    JobOrder,
    JobSource,
    LogEntry,
    forget_idempotency_key,
)
from ...core.domain.media import MediaKey
from ...core.domain.pagination import Page, Position
from ...core.domain.result_files import photo_key, preview_key
from ...core.domain.slot_health import RecentOutcomes, last_jobs, tells_of_slot
from .database import MemoryDatabase


class MemoryJobRepository:
    """Job records and their logs, as the queue over the same database left them."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database

    async def get(self, job_id: UUID) -> Job:
        return self._db.job(job_id)

    async def append_logs(self, entries: Collection[LogEntry]) -> None:
        for entry in entries:
            self._db.log(entry)

    async def logs(self, job_id: UUID) -> list[LogEntry]:
        entries = (event.entry for event in self._db.events if event.entry.job_id == job_id)
        return sorted(entries, key=lambda entry: entry.at)

    async def find(self, wanted: JobFilter, *, order: JobOrder, limit: int, after: Position | None = None) -> Page[Job]:
        by_end = order in (JobOrder.ENDED_LAST, JobOrder.ENDED_FIRST)
        newest_first = order in (JobOrder.NEWEST, JobOrder.ENDED_LAST)
        found = [
            (at, job.id, job)
            for job in self._db.jobs.values()
            if wanted.holds(job) and (at := job.finalized_at if by_end else job.created_at) is not None
        ]
        found.sort(key=_place, reverse=newest_first)
        if after is not None:
            start = (after.at, after.id)
            found = [row for row in found if (_place(row) < start if newest_first else _place(row) > start)]
        page = found[:limit]
        return Page(tuple(job for *_, job in page), Position(*_place(page[-1])) if len(found) > limit else None)

    async def events(self, *, after: int, limit: int) -> list[JobEvent]:
        start = bisect_right(self._db.events, after, key=lambda event: event.id)
        return self._db.events[start : start + limit]

    async def last_event(self) -> int:
        return self._db.last_event

    async def recent_results(
        self,
        slot_id: str,
        *,
        now: datetime,
        limit: int,
        sources: Collection[JobSource] = tuple(JobSource),
        after: Position | None = None,
    ) -> list[Job]:
        ended = [
            (job.finalized_at, job.id, job)
            for job in self._db.jobs.values()
            if job.slot_id == slot_id
            and job.source in sources
            and job.finalized_at is not None
            and job.result is not None
            and job.result_purged_at is None
            and job.result.expires_at > now
            and (after is None or (job.finalized_at, job.id) < (after.at, after.id))
        ]
        ended.sort(key=_place, reverse=True)
        return [job for *_, job in ended[:limit]]

    async def newest_results(self, *, now: datetime) -> dict[str, Job]:
        found: dict[str, Job] = {}
        for slot_id in sorted({job.slot_id for job in self._db.jobs.values()}):
            for job in await self.recent_results(slot_id, now=now, limit=1):
                found[slot_id] = job
        return found

    async def last_jobs(self, *, since: datetime) -> dict[str, RecentOutcomes]:
        told: dict[str, list[Job]] = {}
        for job in self._db.jobs.values():
            if job.finalized_at is not None and job.finalized_at >= since and tells_of_slot(job):
                told.setdefault(job.slot_id, []).append(job)
        return {slot_id: last_jobs(jobs) for slot_id, jobs in told.items()}

    async def store_preview(self, job_id: UUID, preview: bytes) -> bool:
        job = self._db.jobs.get(job_id)
        if job is None or not job.state.finalized or job_id in self._db.answered:
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

    async def expired_results(self, *, now: datetime, limit: int) -> list[Job]:
        expired = [
            (job.result.expires_at, job.id, job)
            for job in self._db.jobs.values()
            if job.result is not None and job.result_purged_at is None and job.result.expires_at <= now
        ]
        expired.sort(key=lambda row: row[:2])
        return [job for _, _, job in expired[:limit]]

    async def mark_purged(self, job_ids: Collection[UUID], *, now: datetime) -> None:
        for job_id in job_ids:
            if (job := self._db.jobs.get(job_id)) is not None and job.result_purged_at is None:
                self._db.jobs[job_id] = msgspec.structs.replace(forget_idempotency_key(job), result_purged_at=now)

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
            self._db.previews.pop(job_id, None)
        self._db.answered -= gone
        self._db.events = [event for event in self._db.events if event.entry.job_id not in gone]
        self._db.deliveries = {id: one for id, one in self._db.deliveries.items() if one.job_id not in gone}
        return len(gone)

    async def in_use(self, keys: Collection[MediaKey]) -> set[MediaKey]:
        needed: set[MediaKey] = set()
        for job in self._db.jobs.values():
            if not job.state.finalized:
                needed.add(job.photo.file.key)
            if job.result is not None and job.result_purged_at is None:
                key = job.result.file.key
                needed |= {key, preview_key(key), photo_key(key)}
        return needed & set(keys)


def _place(row: tuple[datetime, UUID, Job]) -> tuple[datetime, UUID]:
    """Where a job stands in a list, by a moment and its id."""
    return row[:2]
