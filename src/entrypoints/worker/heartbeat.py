"""The heartbeat of a worker: what shows other processes that it is alive."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from datetime import timedelta
from importlib.metadata import version
from typing import Protocol

from ...core.domain.errors import PhotoChangerError
from ...core.domain.worker import HEARTBEAT_INTERVAL, WorkerReport
from ...core.ports.clock import Clock
from ...core.ports.workers import WorkerRegistry
from ...core.services.support.database_clock import DatabaseClock

_log = logging.getLogger("photochanger.worker")

_DEREGISTER_SECONDS = 5.0
"""How long a stopping worker tries to delete its row."""


class Reporter(Protocol):
    """What a heartbeat reports: a worker's name, its limit of concurrent jobs, and how many run."""

    name: str

    @property
    def concurrency(self) -> int: ...

    @property
    def running(self) -> int: ...


class Heartbeat:
    """Reports from the worker's own event loop, so that a hanging loop misses its heartbeats."""

    def __init__(
        self, registry: WorkerRegistry, *, every: timedelta = HEARTBEAT_INTERVAL, clock: Clock | None = None
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._every = every

    async def run(self, worker: Reporter) -> None:
        """Report immediately and every few seconds until cancelled, then deregister. Outages are logged."""
        try:
            while True:
                try:
                    await self._registry.heartbeat(self._report(worker))
                except PhotoChangerError as error:
                    _log.warning("worker heartbeat failed: %s", error.detail)
                await asyncio.sleep(self._every.total_seconds())
        finally:
            await self._deregister(worker.name)

    async def _deregister(self, name: str) -> None:
        try:
            async with asyncio.timeout(_DEREGISTER_SECONDS):
                await self._registry.deregister(name)
        except (PhotoChangerError, TimeoutError):
            _log.warning("deregistering the worker failed; it is shown as silent until it expires")

    def _report(self, worker: Reporter) -> WorkerReport:
        offset = self._clock.offset if isinstance(self._clock, DatabaseClock) else None
        return WorkerReport(
            name=worker.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            concurrency=worker.concurrency,
            running=worker.running,
            version=version("photochanger"),
            clock_ahead_seconds=offset.ahead_seconds if offset is not None else None,
        )
