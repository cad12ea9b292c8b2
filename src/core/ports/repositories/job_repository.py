"""The stored jobs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol
from uuid import UUID

from ...domain.job import Job
from ...domain.media import MediaKey
from ...domain.pagination import JobFilter, JobOrder, Page, Position


class JobRepository(Protocol):
    """Jobs as records: reading, counting, forgetting. Every method may raise QueueUnavailable."""

    async def get(self, job_id: UUID) -> Job:
        """The job; JobNotFound."""
        ...

    async def find(self, wanted: JobFilter, *, order: JobOrder, limit: int, after: Position | None = None) -> Page[Job]:
        """A page of at most `limit` jobs, beginning after the job at this position (its moment of `order`, its id)."""
        ...

    async def prune(self, *, before: datetime, limit: int) -> int:
        """Delete up to `limit` jobs that ended before a moment (a whole hour in UTC) and have no result any more.

        Their logs and webhook deliveries are deleted with them; statistics stay. Returns the number of jobs: 0 while
        statistics are rebuilt.
        """
        ...

    async def in_use(self, keys: Collection[MediaKey]) -> set[MediaKey]:
        """Those of these payload, result and preview keys that belong to a job which still needs them.

        A payload is needed while its job is live, a result and its previews until they are marked as purged, or their
        guest is erased. Previews are named after their result: same name up to the extension, which is `.webp`, or
        `.photo` for the photo's.
        """
        ...
