"""Worker processes as the others see them: each tells of itself every few seconds, else it counts as gone."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

TELL_EVERY = timedelta(seconds=5)
"""How often a worker process tells of itself."""

SILENT_AFTER = 3 * TELL_EVERY
"""A worker that has not told of itself for so long counts as not working: two tellings may be lost on the way."""

FORGOTTEN_AFTER = timedelta(minutes=10)
"""How long a silent worker is still shown, so that an operator sees that one was lost."""


class WorkerReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker process tells of itself: `running` of at most `concurrency` jobs at this moment."""

    name: str
    host: str
    pid: int
    concurrency: int
    running: int
    version: str


class WorkerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's last report: since when it has told of itself, and how long ago it did so the last time."""

    report: WorkerReport
    started_at: datetime
    seen_at: datetime
    age: timedelta

    @property
    def silent(self) -> bool:
        """Whether it is too long ago."""
        return self.age >= SILENT_AFTER
