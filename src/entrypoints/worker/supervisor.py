"""The worker process of `serve`: started, watched, restarted when it dies, stopped with the service."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from datetime import timedelta

from ...adapters.telemetry import MetricFamily, RestartSafeCounters, decode_families
from ...core.domain.errors import WorkerMissing
from ...core.ports.workers import WorkerRegistry
from ..config import PREFIX, Settings
from ..diagnostics.readiness import require_worker

_log = logging.getLogger("photochanger.serve")

_MAX_LINE_BYTES = 16 * 1024 * 1024
"""The most bytes of a worker's figures: every slot and every provider with every verdict are far below that."""

_RESTART_PAUSE = timedelta(seconds=1)


class WorkerProcess:
    """The worker process of this service: started, watched, started again when it dies, stopped with the service."""

    def __init__(self, settings: Settings, database_url: str) -> None:
        self._environ = os.environ | {
            PREFIX + "DATABASE_URL": database_url,
            PREFIX + "HOME": str(settings.home.absolute()),
            PREFIX + "MEDIA_ROOT": str(settings.media_folder.absolute()),
            PREFIX + "WORKERS": str(settings.workers),
            PREFIX + "LOG_FORMAT": settings.log_format,
        }
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self._figures = RestartSafeCounters()

    async def run(self) -> None:
        """Keep one worker process alive until `stop`."""
        while not self._stopping:
            try:
                self._process = await self._started()
            except OSError as error:  # no memory or no process left for the moment
                _log.error("the worker process could not be started: %s", error)
                await asyncio.sleep(_RESTART_PAUSE.total_seconds())
                continue
            await self._read_figures(self._process)
            code = await self._process.wait()
            self._figures.ended()
            if not self._stopping:
                _log.error("the worker process ended with code %s and is started again", code)
                await asyncio.sleep(_RESTART_PAUSE.total_seconds())

    async def _started(self) -> asyncio.subprocess.Process:
        # Its standard input is a pipe that nobody writes to: it ends when this process does, however that dies.
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "photochanger", "worker", "--supervised"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_MAX_LINE_BYTES,
            env=self._environ,
            start_new_session=True,
        )

    async def _read_figures(self, process: asyncio.subprocess.Process) -> None:
        """What the worker process writes to its standard output: its figures, a line each time, until it ends."""
        assert process.stdout is not None
        while True:
            try:
                if not (line := await process.stdout.readline()):
                    return
                self._figures.take(decode_families(line))
            except ValueError as error:  # the end of a line is missing where the process was killed in the middle of it
                _log.warning("figures of the worker process could not be read: %s", error)

    def families(self) -> list[MetricFamily]:
        """What the worker processes have counted, those included that are gone."""
        return self._figures.families()

    async def check(self, registry: WorkerRegistry) -> None:
        """WorkerMissing while no worker process runs, or it is silent. QueueUnavailable."""
        if self._process is None or self._process.returncode is not None:
            raise WorkerMissing("The worker process is not running.")
        await require_worker(registry, host=socket.gethostname(), pid=self._process.pid)

    async def stop(self) -> None:
        """Send the stop signal and wait until the worker has given back what it could not finish."""
        self._stopping = True
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            await process.wait()
