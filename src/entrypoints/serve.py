"""`photochanger serve`: the HTTP process, with its workers in a supervised process of their own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

from dishka import AsyncContainer

from ..adapters.postgres import Database
from ..core.ports.telemetry import Telemetry
from ..core.ports.workers import WorkerRegistry
from ..core.services.auth.known_addresses import KnownAddresses
from ..core.services.jobs.event_stream import EventStream
from ..core.services.maintenance.sweeper import Sweeper
from ..core.services.support.concurrency import Supervisor
from .bootstrap import freeze_gc, migrate_database, print_initial_credentials, seed
from .config import Settings
from .container import make_container
from .diagnostics.readiness import Readiness, require_any_worker
from .file_limit import file_limit, raise_file_limit
from .http.app import create_http_app
from .http.connection.limits import limits_for
from .http.connection.places import OWN_ADDRESSES, Places
from .http.protocol.forwarded import TrustedProxies
from .http.protocol.hosts import allowed_hosts
from .http.server import Server, make_server
from .metrics.collector import MetricsCollector
from .worker.supervisor import WorkerProcess

_log = logging.getLogger("photochanger.serve")

STOP_GRACE = timedelta(seconds=25)
"""How long requests that wait for their picture go on after the stop signal."""


async def serve(settings: Settings) -> None:
    """Run HTTP, the sweeper and the workers until SIGTERM or SIGINT.

    Prints the address once it listens. Raises ConfigurationError, QueueUnavailable, StorageUnavailable at the start,
    and, once the service has been shut down for it, an unforeseen error of a background task.
    """
    raise_file_limit()
    stop = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    container = make_container(settings)
    try:
        supervisor = await container.get(Supervisor)
        async with supervisor.guard(stop=stop.set):
            await migrate_database(container)
            print_initial_credentials(await seed(container))
            database = await container.get(Database)
            worker = WorkerProcess(settings, database.url) if settings.workers else None
            sweeper = await container.get(Sweeper)
            metrics = await container.get(MetricsCollector)
            async with (
                _running(worker, supervisor),
                supervisor.supervised(sweeper.run(), name="sweeper"),
                metrics.kept_up(supervisor),
            ):
                await _serve_http(container, settings, worker, stop)
    finally:
        await container.close()


async def _serve_http(
    container: AsyncContainer, settings: Settings, worker: WorkerProcess | None, stop: asyncio.Event
) -> None:
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
    server = make_server(app, stop_grace=STOP_GRACE, host=settings.host, port=settings.port, places=places)
    freeze_gc()
    listening = server.config.bind_socket()
    host, port = listening.getsockname()[:2]
    print(f"PhotoChanger listens on http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
    events = await container.get(EventStream)
    supervisor = await container.get(Supervisor)
    async with supervisor.supervised(_shut_down(server, stop, events), name="shutdown"):
        await server.serve(sockets=[listening])


async def _shut_down(server: Server, stop: asyncio.Event, events: EventStream) -> None:
    await stop.wait()
    server.should_exit = True
    await events.close()  # these responses never end by themselves


@contextlib.asynccontextmanager
async def _running(worker: WorkerProcess | None, supervisor: Supervisor) -> AsyncIterator[None]:
    if worker is None:
        yield
        return
    async with supervisor.supervised(worker.run(), name="worker process", stop=worker.stop):
        yield
