"""The registry of worker processes."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from ..domain.worker import WorkerReport, WorkerStatus


class WorkerRegistry(Protocol):
    """The worker processes of all hosts. Times are those of the queue's clock. Methods may raise QueueUnavailable."""

    async def heartbeat(self, report: WorkerReport) -> None:
        """Store the report, replacing the worker's last one; the first one marks its start."""
        ...

    async def deregister(self, name: str) -> None:
        """Delete the worker, if it is known."""
        ...

    async def all(self) -> list[WorkerStatus]:
        """All known workers, silent ones included, sorted by host and name."""
        ...

    async def prune(self, *, silent_for: timedelta) -> int:
        """Delete the workers without a heartbeat for at least `silent_for`; returns how many."""
        ...
