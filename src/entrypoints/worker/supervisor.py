"""The worker process of `serve`: started with the service, replaced when it dies or hangs, stopped with the service."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from datetime import timedelta

from ...adapters.telemetry import MetricFamily, OpenTelemetry, RestartSafeCounters, decode_families
from ...core.domain.errors import WorkerMissing
from ...core.ports.clock import Clock
from ...core.ports.workers import WorkerRegistry
from ...core.services.support.concurrency import race
from ..config import PREFIX, Settings
from ..diagnostics.readiness import require_worker
from ..process.service_manager import VARIABLES
from ..process.stop_limits import WORKER_KILL_AFTER
from ..silence import TICK, Silence
from .parent import stop_order

_log = logging.getLogger("photochanger.serve")

_COMMAND = (sys.executable, "-m", "photochanger", "worker", "--supervised")

_MAX_LINE_BYTES = 16 * 1024 * 1024
"""Maximum size of a worker's metrics: far above every slot and provider with every outcome."""

_RESTART_PAUSE = timedelta(seconds=1)

_START_LIMIT = timedelta(minutes=2)
"""How long a worker process may take until its first sign of life: it imports, connects, reads its settings."""

_MARGIN = timedelta(seconds=5)
"""A worker whose event loop is blocked ends itself, with a stack in the log; it gets this much longer for that."""


class WorkerProcess:
    """Runs one worker process and takes its metrics, each line of which is a sign of life.

    Attributes:
        heard: whether the process that runs has given one.
    """

    def __init__(
        self,
        settings: Settings,
        database_url: str,
        *,
        telemetry: OpenTelemetry,
        clock: Clock,
        command: tuple[str, ...] = _COMMAND,
    ) -> None:
        inherited = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        self._environ = inherited | {
            PREFIX + "DATABASE_URL": database_url,
            PREFIX + "HOME": str(settings.home.absolute()),
            PREFIX + "MEDIA_ROOT": str(settings.media_folder.absolute()),
            PREFIX + "WORKERS": str(settings.workers),
            PREFIX + "LOG_FORMAT": settings.log_format,
        }
        self._command = command
        self._limit = settings.hang_limit + _MARGIN
        self._telemetry = telemetry
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None
        self._stopped_at: timedelta | None = None
        self._kill_at = timedelta.max
        self._last_end = ""
        self.heard = False
        self._counters = RestartSafeCounters()

    async def run(self) -> None:
        """Keep one worker process running until `stop`, and return once it has ended."""
        try:
            while self._stopped_at is None:
                try:
                    self._process = await self._start()
                except OSError as error:  # no memory or no process left for the moment
                    _log.error("starting the worker process failed: %s", error)
                    await self._clock.sleep(_RESTART_PAUSE)
                    continue
                if self._stopped_at is not None:  # `stop` was called before there was a process to stop
                    self.stop(timedelta(0))
                cause, how = await self._end_of(self._process)
                self._counters.ended()
                if self._stopped_at is None:
                    self._last_end = how
                    self._telemetry.worker_replaced(cause)
                    _log.error("worker process %s; restarting it", how)
                    await self._clock.sleep(_RESTART_PAUSE)
        finally:
            self.stop(timedelta(0))

    async def _start(self) -> asyncio.subprocess.Process:
        # Its standard input is a pipe without data: it closes when this process ends, however that happens.
        return await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_MAX_LINE_BYTES,
            env=self._environ,
            start_new_session=True,
        )

    async def _end_of(self, process: asyncio.subprocess.Process) -> tuple[str, str]:
        """Take the lines of the process until it has ended; kill it when that is overdue.

        Returns the cause of its end (`silent`, `ended`) and how it ended, in words.
        """
        silence = Silence(self._clock.monotonic())
        self.heard = False
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read_metrics(process, silence))
            overdue, found = await race(process.wait(), self._overdue(silence))
            if overdue:
                _log.error("worker process %d %s; killing it", process.pid, found)
            _kill_group(process.pid)  # also what it left behind: a child of it could keep its output open
            code = await process.wait()
        return ("silent", f"was killed: it {found}") if overdue else ("ended", f"ended with code {code}")

    async def _read_metrics(self, process: asyncio.subprocess.Process, silence: Silence) -> None:
        """Take the metrics that the worker process writes to its standard output, one line each time, until it ends."""
        assert process.stdout is not None
        while True:
            try:
                if not (line := await process.stdout.readline()):
                    return
                silence.broken(self._clock.monotonic())
                self.heard = True
                if line != b"\n":
                    self._counters.take(decode_families(line))
            except ValueError as error:  # an incomplete line: the process was killed while it wrote
                _log.warning("reading the metrics of the worker process failed: %s", error)

    async def _overdue(self, silence: Silence) -> str:
        """Return why the process must be killed, once it must."""
        while True:
            await self._clock.sleep(TICK)
            now = self._clock.monotonic()
            limit = self._limit if self.heard else _START_LIMIT
            if silence.duration(now) >= limit:
                return f"was silent for {limit.total_seconds():g} s"
            if self._stopped_at is not None and now >= self._kill_at:
                return f"did not stop within {(now - self._stopped_at).total_seconds():.0f} s"

    def families(self) -> list[MetricFamily]:
        """The metrics of the worker processes, including those that have ended."""
        return self._counters.families()

    async def check(self, registry: WorkerRegistry) -> None:
        """WorkerMissing while no worker process runs or it misses its heartbeats. QueueUnavailable."""
        if self._process is None or self._process.returncode is not None:
            before = f" The last one {self._last_end}." if self._last_end else ""
            raise WorkerMissing(f"The worker process is not running.{before}")
        try:
            await require_worker(registry, host=socket.gethostname(), pid=self._process.pid)
        except WorkerMissing as error:
            if not self._last_end:
                raise
            raise WorkerMissing(f"{error.detail} The one before {self._last_end}.") from None

    def stop(self, left: timedelta) -> None:
        """Have the worker stop; `run` returns once it has released what it could not finish.

        `left`: the time for its running jobs. A further call may shorten it.
        """
        now = self._clock.monotonic()
        if self._stopped_at is None:
            self._stopped_at = now
        self._kill_at = min(self._kill_at, now + left + WORKER_KILL_AFTER)
        process = self._process
        if process is not None and process.returncode is None and process.stdin is not None:
            process.stdin.write(stop_order(left))  # not a signal: a service manager may send that at any time

    def kill(self) -> None:
        """End the worker process and its children at once; safe from any thread."""
        process = self._process
        if process is not None and process.returncode is None:
            _kill_group(process.pid)


def _kill_group(leader: int) -> None:
    with contextlib.suppress(
        ProcessLookupError, PermissionError
    ):  # PermissionError: macOS, where only zombies are left
        os.killpg(leader, signal.SIGKILL)
