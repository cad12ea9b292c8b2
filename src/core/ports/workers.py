"""Where worker processes tell of themselves, for those who want to know whether anybody works."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from ..domain.worker import WorkerReport, WorkerStatus


class WorkerRegistry(Protocol):
    """The worker processes of all hosts. Time is the queue's own. Every method may raise QueueUnavailable."""

    async def heartbeat(self, report: WorkerReport) -> None:
        """Keep the report in place of the worker's last one; its first one is its start."""
        ...

    async def deregister(self, name: str) -> None:
        """Forget the worker of this name; nothing where there is none."""
        ...

    async def all(self) -> list[WorkerStatus]:
        """Every worker that is known, by host and name, silent ones too."""
        ...

    async def prune(self, *, silent_for: timedelta) -> int:
        """Forget the workers that have not told of themselves for at least so long; returns how many."""
        ...
