"""`photochanger serve`: the HTTP process, with its workers in a process of their own that is watched and replaced."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

from dishka import AsyncContainer

from ..adapters.postgres import Database
from ..adapters.telemetry import Family, KeptFamilies, decode_families
from ..core.errors import WorkerMissing
from ..core.ports.workers import WorkerRegistry
from ..core.services.event_feed import EventFeed
from ..core.services.sweeper import Sweeper
from .config import PREFIX, Settings
from .container import make_container
from .http.app import create_http_app
from .http.server import Server, make_server
from .http.services import HttpServices
from .metrics import MetricsPage
from .startup import keep_what_is_loaded, migrate_database, readiness, seed, tell
from .worker_checks import require_any_worker, require_worker

_log = logging.getLogger("photochanger.serve")

STOP_GRACE = timedelta(seconds=25)
"""How long requests that wait for their picture are held after the stop signal."""

_LONGEST_LINE = 16 * 1024 * 1024
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
        self._figures = KeptFamilies()

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
            limit=_LONGEST_LINE,
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

    def families(self) -> list[Family]:
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


async def serve(settings: Settings) -> None:
    """Run HTTP, the sweeper and the workers until SIGTERM or SIGINT.

    Prints the address once it listens. Raises ConfigurationError, QueueUnavailable, StorageUnavailable at the start.
    """
    stop = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    container = make_container(settings)
    try:
        await migrate_database(container)
        tell(await seed(container))
        database = await container.get(Database)
        worker = WorkerProcess(settings, database.url) if settings.workers else None
        metrics = await container.get(MetricsPage)
        async with _running_worker(worker), _sweeping(container), metrics.kept_up():
            await _serve_http(container, settings, worker, stop)
    finally:
        await container.close()


async def _serve_http(
    container: AsyncContainer, settings: Settings, worker: WorkerProcess | None, stop: asyncio.Event
) -> None:
    registry = await container.get(WorkerRegistry)
    check = partial(worker.check if worker else require_any_worker, registry)
    database = await container.get(Database)
    ready = await readiness(container, database=database, worker=check)
    services = await HttpServices.of(container, readiness=ready, database=database)
    if worker is not None:
        services.metrics.include(worker.families)
    app = create_http_app(services)
    server = make_server(app, stop_grace=STOP_GRACE, host=settings.host, port=settings.port)
    keep_what_is_loaded()
    listening = server.config.bind_socket()
    host, port = listening.getsockname()[:2]
    print(f"PhotoChanger listens on http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
    stopping = asyncio.create_task(_stop_when_told(server, stop, services.events))
    try:
        await server.serve(sockets=[listening])
    finally:
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)


async def _stop_when_told(server: Server, stop: asyncio.Event, events: EventFeed) -> None:
    await stop.wait()
    server.should_exit = True
    await events.close()  # answers that never end by themselves


@contextlib.asynccontextmanager
async def _running_worker(worker: WorkerProcess | None) -> AsyncIterator[None]:
    if worker is None:
        yield
        return
    running = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        await worker.stop()
        await running


@contextlib.asynccontextmanager
async def _sweeping(container: AsyncContainer) -> AsyncIterator[None]:
    sweeper = await container.get(Sweeper)
    task = asyncio.create_task(sweeper.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
