"""How a worker process tells of itself while it works, so that others know that somebody does."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from datetime import timedelta
from importlib.metadata import version
from typing import Protocol

from ...core.domain.errors import PhotoChangerError
from ...core.domain.worker import TELL_EVERY, WorkerReport
from ...core.ports.workers import WorkerRegistry

_log = logging.getLogger("photochanger.worker")

_LEAVE_SECONDS = 5.0
"""How long a worker that stops tries to take its row with it."""


class Working(Protocol):
    """What is told of: a worker's name, how many jobs it takes at most, and how many it has."""

    name: str

    @property
    def concurrency(self) -> int: ...

    @property
    def running(self) -> int: ...


class Heartbeat:
    """Tells of a worker from its own event loop: where that hangs, the worker is silent, as it should be."""

    def __init__(self, registry: WorkerRegistry, *, every: timedelta = TELL_EVERY) -> None:
        self._registry = registry
        self._every = every

    async def run(self, worker: Working) -> None:
        """Tell now and every few seconds until cancelled, then leave. Trouble is logged and waited out."""
        try:
            while True:
                try:
                    await self._registry.heartbeat(_report(worker))
                except PhotoChangerError as error:
                    _log.warning("this worker could not tell of itself: %s", error.detail)
                await asyncio.sleep(self._every.total_seconds())
        finally:
            await self._leave(worker.name)

    async def _leave(self, name: str) -> None:
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                await self._registry.deregister(name)
        except (PhotoChangerError, TimeoutError):
            _log.warning("this worker could not say that it is leaving; it is shown as silent for a while")


def _report(worker: Working) -> WorkerReport:
    return WorkerReport(
        name=worker.name,
        host=socket.gethostname(),
        pid=os.getpid(),
        concurrency=worker.concurrency,
        running=worker.running,
        version=version("photochanger"),
    )
