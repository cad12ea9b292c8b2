"""The processing log of jobs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol
from uuid import UUID

from ...domain.job import JobEvent, LogEntry


class JobLog(Protocol):
    """Append-only log entries of all jobs. Every method may raise QueueUnavailable."""

    async def append(self, entries: Collection[LogEntry]) -> None:
        """Append entries; those of jobs that were erased or do not exist any more are dropped.

        An attempt of a job that has ended gets the moment of that end where its own is later; an attempt with the
        details of one that is there is not written again.
        """
        ...

    async def entries(self, job_id: UUID) -> list[LogEntry]:
        """The entries of a job, oldest first, attempts before the end; none for an unknown job."""
        ...

    async def events(self, *, after: int, limit: int) -> list[JobEvent]:
        """Up to `limit` entries of all jobs with an id above `after`, by id.

        Ids are assigned before entries become visible: an entry may appear after one with a higher id.
        """
        ...

    async def last_event(self) -> int:
        """The highest id of an entry; 0 where there is none."""
        ...
