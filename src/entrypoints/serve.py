"""`photochanger serve`: the HTTP process, with its workers in a supervised process of their own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from dishka import AsyncContainer

from ..adapters.postgres import Database
from ..adapters.system_clock import SYSTEM_CLOCK
from ..adapters.telemetry import OpenTelemetry
from ..core.domain.errors import PhotoChangerError
from ..core.ports.clock import Clock
from ..core.ports.telemetry import Telemetry
from ..core.ports.workers import WorkerRegistry
from ..core.services.auth.known_addresses import KnownAddresses
from ..core.services.jobs.deadlines import JobDeadlines
from ..core.services.jobs.event_stream import EventStream
from ..core.services.maintenance.sweeper import Sweeper
from ..core.services.settings.service import SettingsService
from ..core.services.support.concurrency import Supervisor
from .bootstrap import freeze_gc, prepare_database
from .config import Settings
from .container import make_container
from .diagnostics.readiness import Readiness, require_any_worker
from .http.app import create_http_app
from .http.connection.limits import limits_for
from .http.connection.places import OWN_ADDRESSES, Places
from .http.listening import bound_socket, listen
from .http.protocol.forwarded import TrustedProxies
from .http.protocol.hosts import allowed_hosts
from .http.server import Server, make_server
from .http.shutdown import Shutdown
from .metrics.collector import MetricsCollector
from .metrics.relay import served
from .process.clock import kept_clock
from .process.file_limit import file_limit, raise_file_limit
from .process.guard import ProcessGuard
from .process.memory import give_back_memory
from .process.service_manager import ServiceManager
from .process.service_stop import ServiceStop
from .process.stop_limits import BEYOND_WINDOW, LONGEST_WORK
from .worker.supervisor import WorkerProcess

_log = logging.getLogger("photochanger.serve")

_SETTINGS_SECONDS = 0.5
"""How long a stop waits for the settings, which are nearly always in memory."""


async def serve(settings: Settings, guard: ProcessGuard) -> None:
    """Run HTTP, the sweeper and the workers until the guard stops them.

    Prints the address once it listens. Raises ConfigurationError, QueueUnavailable, StorageUnavailable at the start,
    and, once the service has been shut down for it, an unforeseen error of a background task.
    """
    async with guard.running():
        raise_file_limit()
        stop = ServiceStop(SYSTEM_CLOCK)
        guard.on_stop(stop.request, hurry=stop.hurry)
        with bound_socket(settings.host, settings.port) as listening:
            container = make_container(settings)
            try:
                supervisor = await container.get(Supervisor)
                guard.at_forced_end(supervisor.perform_last_acts)
                async with supervisor.guard(stop=partial(guard.stop, 1)):
                    await _serve(_Service(container, settings, supervisor, guard, stop), listening)
            finally:
                await container.close()


class _Service(NamedTuple):
    """What the parts of a running service need."""

    container: AsyncContainer
    settings: Settings
    supervisor: Supervisor
    guard: ProcessGuard
    stop: ServiceStop


async def _serve(service: _Service, listening: socket.socket) -> None:
    container = service.container
    if not await prepare_database(container, service.stop.requested, cameras=True):
        return
    async with kept_clock(container, process="serve", stop=service.stop.requested):
        await _run_parts(service, listening)


async def _run_parts(service: _Service, listening: socket.socket) -> None:
    container, supervisor = service.container, service.supervisor
    worker = await _worker_process(service) if service.settings.workers else None
    deadlines, sweeper = await container.get(JobDeadlines), await container.get(Sweeper)
    metrics = await container.get(MetricsCollector)
    async with (
        _running(worker, service),
        supervisor.supervised(deadlines.run(), name="job deadlines"),
        supervisor.supervised(sweeper.run(), name="sweeper"),
        supervisor.supervised(give_back_memory(await container.get(Clock)), name="memory"),
        metrics.kept_up(supervisor),
        served(service.settings, metrics),
    ):
        await _serve_http(service, worker, listening)


async def _worker_process(service: _Service) -> WorkerProcess:
    worker = WorkerProcess(
        service.settings,
        (await service.container.get(Database)).url,
        telemetry=await service.container.get(OpenTelemetry),
        clock=await service.container.get(Clock),
    )
    service.supervisor.at_forced_end(worker.kill)
    return worker


async def _serve_http(service: _Service, worker: WorkerProcess | None, listening: socket.socket) -> None:
    container, settings = service.container, service.settings
    registry = await container.get(WorkerRegistry)
    check = partial(worker.check if worker else require_any_worker, registry)
    (await container.get(Readiness)).include("worker", check)
    if worker is not None:
        (await container.get(MetricsCollector)).include(worker.families)
    hosts = allowed_hosts(settings.allowed_hosts, public_base_url=settings.public_base_url, bound=settings.host)
    app = await create_http_app(container, hosts=hosts)
    places = Places(
        limits_for(file_limit()),
        known=await container.get(KnownAddresses),
        shared=TrustedProxies((*settings.trusted_proxies, *OWN_ADDRESSES)),
        telemetry=await container.get(Telemetry),
    )
    shutdown = await container.get(Shutdown)
    server = make_server(app, shutdown=shutdown, host=settings.host, port=settings.port, places=places)
    freeze_gc()
    manager = ServiceManager()
    with service.guard.watching(alive=manager.alive):
        print(f"PhotoChanger listens on {listen(listening)}", flush=True)
        manager.ready()
        stopping = _shut_down(service, server, worker, manager)
        async with service.supervisor.supervised(stopping, name="shutdown"):
            await server.serve(sockets=[listening])


async def _shut_down(service: _Service, server: Server, worker: WorkerProcess | None, manager: ServiceManager) -> None:
    container, stop = service.container, service.stop
    await stop.requested.wait()
    manager.stopping()
    limit = await _time_to_finish(container)
    stop.begin(limit)
    server.should_exit = True
    if server.requests and not stop.hurried.is_set():
        _log.info(
            "stopping: %d requests are open, for %.0f s at most; a second signal (Ctrl-C) answers them with 503 now",
            server.requests,
            limit.total_seconds(),
        )
    await (await container.get(EventStream)).close()  # these responses never end by themselves
    await stop.over()
    (await container.get(Shutdown)).give_up()
    if worker is not None:
        worker.stop(timedelta(0))


async def _time_to_finish(container: AsyncContainer) -> timedelta:
    """How long what is running may go on."""
    try:
        async with asyncio.timeout(_SETTINGS_SECONDS):
            window = (await (await container.get(SettingsService)).current()).sync_response
    except (PhotoChangerError, TimeoutError):
        return LONGEST_WORK
    return min(window + BEYOND_WINDOW, LONGEST_WORK)


@contextlib.asynccontextmanager
async def _running(worker: WorkerProcess | None, service: _Service) -> AsyncIterator[None]:
    """Run the worker process while the block lasts; then its jobs have what is left of the time to finish."""
    if worker is None:
        yield
        return
    supervisor, stop = service.supervisor, service.stop

    async def hurry() -> None:
        await stop.hurried.wait()
        worker.stop(timedelta(0))

    async with (
        supervisor.supervised(hurry(), name="hurry"),
        supervisor.supervised(worker.run(), name="worker process", stop=lambda: worker.stop(stop.left)),
    ):
        yield
