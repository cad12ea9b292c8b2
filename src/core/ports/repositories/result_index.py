"""The results of jobs: lists by slot, expiry, and inline previews."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol
from uuid import UUID

from ...domain.job import Job, JobSource
from ...domain.pagination import Page, Position


class ResultIndex(Protocol):
    """Jobs by their results. Every method may raise QueueUnavailable."""

    async def recent(
        self,
        slot_id: str,
        *,
        now: datetime,
        limit: int,
        sources: Collection[JobSource] = tuple(JobSource),
        after: Position | None = None,
    ) -> Page[Job]:
        """A page of the slot's jobs of these sources whose result has not expired at `now`.

        Newest first, by `finalized_at` and id; it begins after the position.
        """
        ...

    async def newest(self, *, now: datetime) -> dict[str, Job]:
        """The first of those jobs of each slot that has one, by slot id."""
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
