"""The JobLog port in memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection
from uuid import UUID

from ....core.domain.job import JobEvent, LogEntry, LogEvent
from ..database import MemoryDatabase


class MemoryJobLog:
    """The log entries of a MemoryDatabase."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database

    async def append(self, entries: Collection[LogEntry]) -> None:
        for entry in entries:
            if (job := self._db.jobs.get(entry.job_id)) is None or job.erased_at is not None:
                continue
            if entry.event is not LogEvent.ATTEMPT or not self._has(entry):
                self._db.log(entry)

    def _has(self, entry: LogEntry) -> bool:
        written = (event.entry for event in self._db.events if event.entry.job_id == entry.job_id)
        return any((there.event, there.detail) == (entry.event, entry.detail) for there in written)

    async def entries(self, job_id: UUID) -> list[LogEntry]:
        entries = (event.entry for event in self._db.events if event.entry.job_id == job_id)
        return sorted(entries, key=lambda entry: (entry.at, entry.event is LogEvent.FINALIZED))

    async def events(self, *, after: int, limit: int) -> list[JobEvent]:
        start = bisect_right(self._db.events, after, key=lambda event: event.id)
        return self._db.events[start : start + limit]

    async def last_event(self) -> int:
        return self._db.last_event
