"""Worker processes as others see them: by heartbeat, or silent."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

HEARTBEAT_INTERVAL = timedelta(seconds=5)

SILENT_AFTER = 3 * HEARTBEAT_INTERVAL
"""Time without a heartbeat after which a worker counts as not working: two heartbeats may be lost."""

FORGOTTEN_AFTER = timedelta(minutes=10)
"""How long a silent worker is still shown, so that an operator sees that one was lost."""

URGENT_JOBS = 2
"""How many jobs that make no provider wait a worker runs on top of its concurrency: see `JobQueue.acquire_urgent`."""


class WorkerReport(msgspec.Struct, frozen=True, kw_only=True):
    """A heartbeat: the worker runs `running` of at most `concurrency` jobs now.

    `clock_ahead_seconds`: how far the clock of its machine is ahead of the database's, less the error of that
    measurement; None where it is not measured.
    """

    name: str
    host: str
    pid: int
    concurrency: int
    running: int
    version: str
    clock_ahead_seconds: float | None = None


class WorkerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's last heartbeat, the times of its first and last one, and the age of the last one."""

    report: WorkerReport
    started_at: datetime
    seen_at: datetime
    age: timedelta

    @property
    def silent(self) -> bool:
        """Whether the last heartbeat is too old."""
        return self.age >= SILENT_AFTER
