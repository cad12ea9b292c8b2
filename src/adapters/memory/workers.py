"""The WorkerRegistry port in memory."""

from __future__ import annotations

from datetime import datetime, timedelta

from ...core.domain.worker import WorkerReport, WorkerStatus
from ...core.ports.clock import Clock


class MemoryWorkerRegistry:
    """Reports in a dictionary, each with the times of the worker's first and last heartbeat."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[WorkerReport, datetime, datetime]] = {}

    async def heartbeat(self, report: WorkerReport) -> None:
        now = self._clock.now()
        _, started_at, _ = self._seen.get(report.name, (report, now, now))
        self._seen[report.name] = (report, started_at, now)

    async def deregister(self, name: str) -> None:
        self._seen.pop(name, None)

    async def all(self) -> list[WorkerStatus]:
        now = self._clock.now()
        return [
            WorkerStatus(report=report, started_at=started_at, seen_at=seen_at, age=max(now - seen_at, timedelta(0)))
            for report, started_at, seen_at in sorted(
                self._seen.values(), key=lambda seen: (seen[0].host, seen[0].name)
            )
        ]

    async def prune(self, *, silent_for: timedelta) -> int:
        gone = [worker.report.name for worker in await self.all() if worker.age >= silent_for]
        for name in gone:
            del self._seen[name]
        return len(gone)
