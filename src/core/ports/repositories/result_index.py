"""The results of jobs: lists, visibility in galleries, and whether they were answered."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from ...domain.audit import AuditEntry
from ...domain.pagination import Page, Position
from ...domain.results.listing import ListedResult, ResultFilter, Visibility


class ResultIndex(Protocol):
    """Jobs by their results. Every method may raise QueueUnavailable."""

    async def find(
        self, wanted: ResultFilter, *, now: datetime, limit: int, after: Position | None = None
    ) -> Page[ListedResult]:
        """A page of at most `limit` results that match and have not expired at `now`.

        Newest first, by `finalized_at` and id of the jobs; it begins after the position.
        """
        ...

    async def count(self, wanted: ResultFilter, *, now: datetime, limit: int) -> int:
        """The number of such results; counting ends at `limit`."""
        ...

    async def set_visibility(
        self, job_id: UUID, visibility: Visibility, *, at: datetime, audit: AuditEntry | None = None
    ) -> bool:
        """Show or hide the result of a job in galleries, with a log entry; all of it or nothing.

        False, and nothing is written, where the job already has this visibility, has no result, or does not exist.
        """
        ...

    async def note_answered(self, job_id: UUID, *, at: datetime) -> None:
        """Record that the synchronous answer was sent."""
        ...
