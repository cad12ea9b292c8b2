"""The stored jobs and their processing logs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol
from uuid import UUID

from ..domain.job import Job, JobEvent, JobFilter, JobOrder, JobSource, LogEntry
from ..domain.media import MediaKey
from ..domain.pagination import Page, Position
from ..domain.slot_health import RecentOutcomes


class JobRepository(Protocol):
    """Job records beyond the queue's own moves."""

    async def get(self, job_id: UUID) -> Job:
        """The job; JobNotFound."""
        ...

    async def append_logs(self, entries: Collection[LogEntry]) -> None:
        """Append to the processing log. Entries of jobs that no longer exist are dropped."""
        ...

    async def logs(self, job_id: UUID) -> list[LogEntry]:
        """Everything that happened to the job, oldest first."""
        ...

    async def find(self, wanted: JobFilter, *, order: JobOrder, limit: int, after: Position | None = None) -> Page[Job]:
        """A page of at most `limit` jobs, beginning after the job at this position (its moment of `order`, its id)."""
        ...

    async def events(self, *, after: int, limit: int) -> list[JobEvent]:
        """Log entries of all jobs whose id is higher, by id.

        Ids are given out before their entries can be seen: an entry may appear after one with a higher id.
        """
        ...

    async def last_event(self) -> int:
        """The highest id of a log entry; 0 where there is none."""
        ...

    async def recent_results(
        self,
        slot_id: str,
        *,
        now: datetime,
        limit: int,
        sources: Collection[JobSource] = tuple(JobSource),
        after: Position | None = None,
    ) -> list[Job]:
        """The slot's newest jobs with a result that has not expired at `now`, newest first (by `finalized_at`).

        Only those of these sources, and only those that come after this position.
        """
        ...

    async def newest_results(self, *, now: datetime) -> dict[str, Job]:
        """The newest of those jobs of every slot that has one, by slot id."""
        ...

    async def last_jobs(self, *, since: datetime) -> dict[str, RecentOutcomes]:
        """How the jobs ended that were finalized from a moment on, by slot id; slots without one are left out."""
        ...

    async def store_preview(self, job_id: UUID, preview: bytes) -> bool:
        """Keep a preview with a finalized job whose answer was not sent yet; False where it is not wanted any more."""
        ...

    async def preview(self, job_id: UUID) -> bytes | None:
        """The inline preview, while there is one."""
        ...

    async def clear_preview(self, job_id: UUID, *, answered_at: datetime) -> None:
        """Note that the synchronous answer was sent and drop the preview; none is stored after that."""
        ...

    async def clear_previews(self, *, finalized_before: datetime, limit: int) -> int:
        """Drop the previews of jobs finalized before a moment; returns how many."""
        ...

    async def expired_results(self, *, now: datetime, limit: int) -> list[Job]:
        """Jobs whose result expired and is not marked as purged yet."""
        ...

    async def mark_purged(self, job_ids: Collection[UUID], *, now: datetime) -> None:
        """Note that these jobs' results are gone; their idempotency keys are free again."""
        ...

    async def prune(self, *, before: datetime, limit: int) -> int:
        """Forget up to `limit` jobs that ended before a moment (a whole hour in UTC) and have no result any more.

        Their logs and webhook deliveries go with them; statistics stay. Returns how many jobs it were;
        none while statistics are rebuilt.
        """
        ...

    async def in_use(self, keys: Collection[MediaKey]) -> set[MediaKey]:
        """Those of these payload, result and preview keys that belong to a job which still needs them.

        A payload is needed while its job is live, a result and its previews until they are marked as purged. A preview
        is named after its result: same name up to the extension, `.webp`; that of the photo `.photo`.
        """
        ...
