"""`photochanger serve`: the HTTP process, with its workers in a supervised process of their own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from functools import partial
from typing import NamedTuple

from dishka import AsyncContainer

from ..adapters.postgres import Database
from ..adapters.telemetry import OpenTelemetry
from ..core.ports.clock import Clock
from ..core.ports.telemetry import Telemetry
from ..core.ports.workers import WorkerRegistry
from ..core.services.auth.known_addresses import KnownAddresses
from ..core.services.jobs.event_stream import EventStream
from ..core.services.maintenance.sweeper import Sweeper
from ..core.services.support.concurrency import Supervisor
from .bootstrap import freeze_gc, prepare_database, print_initial_credentials, recognise_cameras, seed
from .config import Settings
from .container import make_container
from .diagnostics.readiness import Readiness, require_any_worker
from .file_limit import file_limit, raise_file_limit
from .http.app import create_http_app
from .http.connection.limits import limits_for
from .http.connection.places import OWN_ADDRESSES, Places
from .http.listening import bound_socket, listen
from .http.protocol.forwarded import TrustedProxies
from .http.protocol.hosts import allowed_hosts
from .http.server import Server, make_server
from .metrics.collector import MetricsCollector
from .metrics.relay import served
from .process_guard import ProcessGuard
from .service_manager import ServiceManager
from .stop_limits import HTTP_GRACE
from .worker.supervisor import WorkerProcess


async def serve(settings: Settings, guard: ProcessGuard) -> None:
    """Run HTTP, the sweeper and the workers until the guard stops them.

    Prints the address once it listens. Raises ConfigurationError, QueueUnavailable, StorageUnavailable at the start,
    and, once the service has been shut down for it, an unforeseen error of a background task.
    """
    async with guard.running():
        raise_file_limit()
        stop = asyncio.Event()
        guard.on_stop(stop.set)
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
    stop: asyncio.Event


async def _serve(service: _Service, listening: socket.socket) -> None:
    container, supervisor = service.container, service.supervisor
    if not await prepare_database(container, service.stop):
        return
    print_initial_credentials(await seed(container))
    await recognise_cameras(container)
    worker = await _worker_process(service) if service.settings.workers else None
    sweeper = await container.get(Sweeper)
    metrics = await container.get(MetricsCollector)
    async with (
        _running(worker, supervisor),
        supervisor.supervised(sweeper.run(), name="sweeper"),
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
    server = make_server(app, stop_grace=HTTP_GRACE, host=settings.host, port=settings.port, places=places)
    freeze_gc()
    events = await container.get(EventStream)
    manager = ServiceManager()
    with service.guard.watching(alive=manager.alive):
        print(f"PhotoChanger listens on {listen(listening)}", flush=True)
        manager.ready()
        async with service.supervisor.supervised(_shut_down(server, service.stop, events, manager), name="shutdown"):
            await server.serve(sockets=[listening])


async def _shut_down(server: Server, stop: asyncio.Event, events: EventStream, manager: ServiceManager) -> None:
    await stop.wait()
    manager.stopping()
    server.should_exit = True
    await events.close()  # these responses never end by themselves


@contextlib.asynccontextmanager
async def _running(worker: WorkerProcess | None, supervisor: Supervisor) -> AsyncIterator[None]:
    if worker is None:
        yield
        return
    async with supervisor.supervised(worker.run(), name="worker process", stop=worker.stop):
        yield
