"""The worker process of `serve`: started with the service, restarted when it dies, stopped with the service."""

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
"""Maximum size of a worker's metrics: far above every slot and provider with every outcome."""

_RESTART_PAUSE = timedelta(seconds=1)


class WorkerProcess:
    """Runs one worker process and takes its metrics."""

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
        self._counters = RestartSafeCounters()

    async def run(self) -> None:
        """Keep one worker process running until `stop`, and return once it has ended."""
        try:
            while not self._stopping:
                try:
                    self._process = await self._start()
                except OSError as error:  # no memory or no process left for the moment
                    _log.error("starting the worker process failed: %s", error)
                    await asyncio.sleep(_RESTART_PAUSE.total_seconds())
                    continue
                if self._stopping:  # `stop` was called before there was a process to stop
                    self.stop()
                await self._read_metrics(self._process)
                code = await self._process.wait()
                self._counters.ended()
                if not self._stopping:
                    _log.error("worker process ended with code %s; restarting it", code)
                    await asyncio.sleep(_RESTART_PAUSE.total_seconds())
        finally:
            self.stop()

    async def _start(self) -> asyncio.subprocess.Process:
        # Its standard input is a pipe without data: it closes when this process ends, however that happens.
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "photochanger", "worker", "--supervised"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_MAX_LINE_BYTES,
            env=self._environ,
            start_new_session=True,
        )

    async def _read_metrics(self, process: asyncio.subprocess.Process) -> None:
        """Take the metrics that the worker process writes to its standard output, one line each time, until it ends."""
        assert process.stdout is not None
        while True:
            try:
                if not (line := await process.stdout.readline()):
                    return
                self._counters.take(decode_families(line))
            except ValueError as error:  # an incomplete line: the process was killed while it wrote
                _log.warning("reading the metrics of the worker process failed: %s", error)

    def families(self) -> list[MetricFamily]:
        """The metrics of the worker processes, including those that have ended."""
        return self._counters.families()

    async def check(self, registry: WorkerRegistry) -> None:
        """WorkerMissing while no worker process runs or it misses its heartbeats. QueueUnavailable."""
        if self._process is None or self._process.returncode is not None:
            raise WorkerMissing("The worker process is not running.")
        await require_worker(registry, host=socket.gethostname(), pid=self._process.pid)

    def stop(self) -> None:
        """Send the stop signal; `run` returns once the worker has released what it could not finish."""
        self._stopping = True
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
