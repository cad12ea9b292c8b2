"""The results of jobs: lists, visibility in galleries, and inline previews."""

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

    async def store_preview(self, job_id: UUID, preview: bytes) -> bool:
        """Store the inline preview of a finalized job; False where it is not wanted.

        That is so while the job is live, once it was answered, and once its guest was forgotten.
        """
        ...

    async def preview(self, job_id: UUID) -> bytes | None:
        """The inline preview; None where there is none."""
        ...

    async def clear_preview(self, job_id: UUID, *, answered_at: datetime) -> None:
        """Record that the synchronous answer was sent, and drop the preview; none is stored after that."""
        ...

    async def clear_previews(self, *, finalized_before: datetime, limit: int) -> int:
        """Drop up to `limit` previews of jobs finalized before a moment; returns their number."""
        ...
