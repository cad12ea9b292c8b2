"""`photochanger serve`, `worker`, `migrate` and `sweep`: the service's own processes and its upkeep."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

import click

from ...core.domain.errors import ConfigurationError
from ..config import Settings
from ..process_guard import ProcessGuard
from ..service_manager import ServiceManager
from ..stop_limits import SERVE_GRACE, WORKER_GRACE
from ..worker.parent import end_with_parent, keep_files_from_children
from .runtime import configured, run_async


@click.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 lets the system choose.")
@click.option("--workers", type=click.IntRange(0, 256), help="Concurrent jobs on this host; 0 runs no workers here.")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve HTTP and run the workers in a separate process."""
    from ..serve import serve as run

    settings = configured(host=host, port=port, workers=workers)
    with ProcessGuard(grace=SERVE_GRACE, hang_limit=settings.hang_limit) as guard:
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
    # `serve` kills if it must; a service manager may send its signal to both, so that a worker gets it twice.
    with ProcessGuard(grace=WORKER_GRACE, hang_limit=settings.hang_limit, insists=not supervised) as guard:
        if supervised:
            end_with_parent(guard)
        run_async(_work(settings, guard, supervised=supervised))


async def _work(settings: Settings, guard: ProcessGuard, *, supervised: bool) -> None:
    async with guard.running():
        from ...adapters.telemetry import OpenTelemetry
        from ...core.services.support.concurrency import Supervisor
        from ..bootstrap import freeze_gc, prepare_database, print_initial_credentials, seed
        from ..container import make_container
        from ..file_limit import raise_file_limit
        from ..metrics.relay import own_output, served, written_to
        from ..worker.worker import Worker

        raise_file_limit()
        output = own_output() if supervised else None
        container = make_container(settings)
        try:
            if not supervised:
                stopped = asyncio.Event()
                guard.on_stop(stopped.set)
                if not await prepare_database(container, stopped):
                    return
                print_initial_credentials(await seed(container))
            supervisor = await container.get(Supervisor)
            guard.at_forced_end(supervisor.perform_last_acts)
            worker, manager = await container.get(Worker), ServiceManager()

            def stop() -> None:
                manager.stopping()
                worker.stop()

            guard.on_stop(stop)
            telemetry = await container.get(OpenTelemetry)
            freeze_gc()
            metrics = served(settings, telemetry) if output is None else written_to(output, telemetry, supervisor)
            async with supervisor.guard(stop=partial(guard.stop, 1)), metrics:
                manager.ready()
                with guard.watching(alive=manager.alive, by_kernel=supervised):
                    await worker.run()
        finally:
            await container.close()


@click.command()
def migrate() -> None:
    """Update the database schema to this version."""
    run_async(_migrate(configured()))
    click.echo("The schema is up to date.")


async def _migrate(settings: Settings) -> None:
    from ..bootstrap import migrate_database
    from ..container import make_container

    container = make_container(settings)
    try:
        await migrate_database(container)
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

    container = make_container(settings)
    try:
        sweeper = await container.get(Sweeper)
        report = await sweeper.sweep_expired()
        report.update(await sweeper.sweep_orphans(grace=grace))
    finally:
        await container.close()
    for name, deleted in report.items():
        click.echo(f"{name.replace('_', ' ')}: {deleted}")
