"""`photochanger serve`, `worker`, `migrate` and `sweep`: the service's own processes and its upkeep."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

import click

from ...core.domain.errors import ConfigurationError
from ..config import Settings
from ..process.guard import ProcessGuard
from ..process.memory import give_back_memory, limit_arenas
from ..process.service_manager import ServiceManager
from ..process.stop_limits import HURRY_LIMIT, RELEASE_LIMIT, SERVE_GRACE, WORKER_GRACE
from ..worker.parent import ParentOrders, keep_files_from_children
from .runtime import configured, run_async


@click.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 lets the system choose.")
@click.option("--workers", type=click.IntRange(0, 256), help="Concurrent jobs on this host; 0 runs no workers here.")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve HTTP and run the workers in a separate process."""
    from ..serve import serve as run

    settings = configured(host=host, port=port, workers=workers)
    limit_arenas()
    limit = settings.hang_limit
    with ProcessGuard(grace=SERVE_GRACE, hurry_grace=HURRY_LIMIT, hang_limit=limit) as guard:
        run_async(run(settings, guard))


@click.command()
@click.option("--workers", type=click.IntRange(1, 256), help="Concurrent jobs of this process.")
@click.option("--supervised", is_flag=True, hidden=True)
def worker(workers: int | None, supervised: bool) -> None:
    """Run workers without HTTP, on the database and media store of a `serve`."""
    settings = configured(workers=workers)
    if settings.workers == 0:
        raise ConfigurationError("PHOTOCHANGER_WORKERS", "must be at least 1 for a worker process")
    keep_files_from_children()
    limit_arenas()
    # A service manager may send its signal to all processes; `serve` needs its worker until its requests are answered.
    limit = settings.hang_limit
    with ProcessGuard(grace=WORKER_GRACE, hurry_grace=RELEASE_LIMIT, hang_limit=limit, signals=not supervised) as guard:
        run_async(_work(settings, guard, ParentOrders(guard) if supervised else None))


async def _work(settings: Settings, guard: ProcessGuard, parent: ParentOrders | None) -> None:
    supervised = parent is not None
    async with guard.running():
        from ...adapters.imaging import ChildPool
        from ...adapters.telemetry import OpenTelemetry
        from ...core.ports.clock import Clock
        from ...core.services.jobs.deadlines import JobDeadlines
        from ...core.services.support.concurrency import Supervisor
        from ..bootstrap import freeze_gc, prepare_database
        from ..container import make_container
        from ..metrics.relay import own_output, served, written_to
        from ..process.clock import kept_clock
        from ..process.file_limit import raise_file_limit
        from ..worker.worker import Worker

        raise_file_limit()
        output = own_output() if supervised else None
        container = make_container(settings)
        try:
            if not supervised:
                stopped = asyncio.Event()
                guard.on_stop(lambda *_: stopped.set())
                if not await prepare_database(container, stopped):
                    return
            supervisor = await container.get(Supervisor)
            guard.at_forced_end(supervisor.perform_last_acts)
            worker, manager, stopped = await container.get(Worker), ServiceManager(), asyncio.Event()
            await (await container.get(ChildPool)).keep_ready()

            def stop(grace: timedelta | None = None) -> None:
                stopped.set()
                manager.stopping()
                worker.stop(grace)

            guard.on_stop(stop, hurry=partial(stop, timedelta(0)))
            if parent is not None:
                parent.obey(stop)
            telemetry, deadlines = await container.get(OpenTelemetry), await container.get(JobDeadlines)
            freeze_gc()
            metrics = served(settings, telemetry) if output is None else written_to(output, telemetry, supervisor)
            memory = supervisor.supervised(give_back_memory(await container.get(Clock)), name="memory")
            async with supervisor.guard(stop=partial(guard.stop, 1)), metrics, memory:
                manager.ready()
                with guard.watching(alive=manager.alive, by_kernel=supervised):
                    async with (
                        kept_clock(container, process="worker", stop=stopped),
                        supervisor.supervised(deadlines.run(), name="job deadlines"),
                    ):
                        await worker.run()
        finally:
            await container.close()


@click.command()
def migrate() -> None:
    """Update the database schema to this version; waits while another process does so."""
    run_async(_migrate(configured()))
    click.echo("The schema is up to date.")


async def _migrate(settings: Settings) -> None:
    from ...adapters.postgres import SchemaBusy
    from ..bootstrap import migrate_database
    from ..container import make_container

    container = make_container(settings)
    try:
        while True:
            try:
                await migrate_database(container)
            except SchemaBusy as busy:
                click.echo(f"Waiting to update the schema: {busy.reason}.", err=True)
            else:
                return
    finally:
        await container.close()


@click.command()
@click.option(
    "--grace",
    type=click.FloatRange(0),
    default=300.0,
    show_default=True,
    help="Minimum age in seconds of an orphaned file; protects uploads in progress.",
)
def sweep(grace: float) -> None:
    """Delete expired and orphaned files now."""
    run_async(_sweep(configured(), timedelta(seconds=grace)))


async def _sweep(settings: Settings, grace: timedelta) -> None:
    from ...core.services.maintenance.sweeper import Sweeper
    from ..container import make_container
    from ..process.clock import set_clock

    container = make_container(settings)
    try:
        await set_clock(container)
        sweeper = await container.get(Sweeper)
        report = await sweeper.sweep_expired()
        report.update(await sweeper.sweep_orphans(grace=grace))
    finally:
        await container.close()
    for name, deleted in report.items():
        click.echo(f"{name.replace('_', ' ')}: {deleted}")
