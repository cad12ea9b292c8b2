"""The `photochanger` command. A wrong setting or a part that is away ends it with one line that says what to mend."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from ..core.errors import ConfigurationError, PhotoChangerError
from .config import Settings
from .logs import set_up_logging

_T = TypeVar("_T")

_MAX_INPUT_CHARS = 64 * 1024


@click.group()
def cli() -> None:
    """PhotoChanger: photos in, finished pictures out, before the deadline."""


def _settings(**changes: Any) -> Settings:
    import msgspec

    settings = Settings.from_env()
    set_up_logging(settings.log_format)
    return msgspec.structs.replace(settings, **{name: value for name, value in changes.items() if value is not None})


def _run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run on uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


@cli.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 lets the system choose.")
@click.option("--workers", type=click.IntRange(0, 256), help="Concurrent jobs of this host; 0 runs none here.")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve HTTP, with workers in a process of their own."""
    from .serve import serve as run

    _run(run(_settings(host=host, port=port, workers=workers)))


@cli.command()
@click.option("--workers", type=click.IntRange(1, 256), help="Concurrent jobs of this process.")
@click.option("--supervised", is_flag=True, hidden=True)
def worker(workers: int | None, supervised: bool) -> None:
    """Run workers only, against the same database and media store as a `serve`."""
    settings = _settings(workers=workers)
    if settings.workers == 0:
        raise ConfigurationError("PHOTOCHANGER_WORKERS", "a worker process needs at least 1")
    _run(_work(settings, supervised=supervised))


async def _work(settings: Settings, *, supervised: bool) -> None:
    from .container import make_container
    from .startup import migrate_database, seed
    from .worker import WorkerPool

    loop = asyncio.get_running_loop()
    container = make_container(settings)
    try:
        if not supervised:
            await migrate_database(container)
            await seed(container)
        pool = await container.get(WorkerPool)
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signal_number, pool.stop)
        if supervised:
            threading.Thread(target=_stop_with_parent, args=(loop, pool), daemon=True).start()
        await pool.run()
    finally:
        await container.close()


def _stop_with_parent(loop: asyncio.AbstractEventLoop, pool: Any) -> None:
    """The service that started this process holds the other end of its standard input."""
    sys.stdin.buffer.read()
    loop.call_soon_threadsafe(pool.stop)


@cli.command()
def migrate() -> None:
    """Bring the database schema up to date."""
    _run(_migrate(_settings()))
    click.echo("The schema is up to date.")


async def _migrate(settings: Settings) -> None:
    from .container import make_container
    from .startup import migrate_database

    container = make_container(settings)
    try:
        await migrate_database(container)
    finally:
        await container.close()


@cli.command()
@click.option(
    "--grace",
    type=click.FloatRange(0),
    default=300.0,
    show_default=True,
    help="Seconds that a file without an owner must be old; uploads under way need it.",
)
def sweep(grace: float) -> None:
    """Purge now what has expired or lost its owner."""
    _run(_sweep(_settings(), timedelta(seconds=grace)))


async def _sweep(settings: Settings, grace: timedelta) -> None:
    from ..core.services.sweeper import Sweeper
    from .container import make_container

    container = make_container(settings)
    try:
        sweeper = await container.get(Sweeper)
        report = await sweeper.sweep_expired() + await sweeper.sweep_orphans(grace=grace)
    finally:
        await container.close()
    for name in report.__struct_fields__:
        click.echo(f"{name.replace('_', ' ')}: {getattr(report, name)}")


@cli.command()
def doctor() -> None:
    """Check the configuration and say what to mend."""
    from .doctor import examine

    findings = asyncio.run(examine())
    for finding in findings:
        click.echo(f"{'ok  ' if finding.mend is None else 'MEND'}  {finding.part}: {finding.says}")
        if finding.mend is not None:
            click.echo(f"      {finding.mend}")
    if any(finding.mend is not None for finding in findings):
        sys.exit(1)


@cli.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.pass_context
def providers(context: click.Context, as_json: bool) -> None:
    """List the providers of this service; set or forget their keys, set their limits."""
    if context.invoked_subcommand is None:
        from .providers_command import as_table, describe, json_text

        listing = _run(describe(_settings()))
        click.echo(json_text(listing) if as_json else as_table(listing))


@providers.command("set-key")
@click.argument("provider_id", metavar="ID")
def set_key(provider_id: str) -> None:
    """Store the key of a provider, sealed; it holds within a second, without a new start.

    The key is asked for, or read from standard input where that is no terminal: never from an argument, which other
    users of the machine could see.
    """
    from .providers_command import store_key

    settings = _settings()
    asked = sys.stdin.isatty()
    key = click.prompt("Key", hide_input=True) if asked else sys.stdin.read(_MAX_INPUT_CHARS)
    _run(store_key(settings, provider_id, key.strip()))
    click.echo(f"The key of {provider_id} is stored.")


@providers.command("forget-key")
@click.argument("provider_id", metavar="ID")
def forget_key(provider_id: str) -> None:
    """Remove the stored key of a provider; the environment's, where one is set, holds again."""
    from .providers_command import remove_key

    removed = _run(remove_key(_settings(), provider_id))
    click.echo(f"The key of {provider_id} is removed." if removed else f"No key of {provider_id} was stored.")


_BOUND = click.IntRange(1, 1_000_000)


@providers.command("set-limits")
@click.argument("provider_id", metavar="ID")
@click.option("--concurrent", type=_BOUND, help="Calls under way at once.")
@click.option("--per-minute", type=_BOUND, help="Calls in any sixty seconds.")
@click.option("--per-day", type=_BOUND, help="Calls of a day in UTC.")
@click.option("--declared", is_flag=True, help="Go back to what the provider declares itself.")
def set_limits(
    provider_id: str, concurrent: int | None, per_minute: int | None, per_day: int | None, declared: bool
) -> None:
    """Set what a provider may be asked by all workers of all hosts together; a bound that is not named is none.

    It holds within a second, without a new start.
    """
    from ..core.providers import ProviderLimit
    from .providers_command import store_limits

    limit = ProviderLimit(max_concurrent=concurrent, per_minute=per_minute, per_day=per_day)
    if declared and limit != ProviderLimit():
        raise click.UsageError("--declared goes with no other limit")
    _run(store_limits(_settings(), provider_id, None if declared else limit))
    click.echo(f"The limits of {provider_id} are set.")


@cli.command()
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), default=Path("var/demo"), show_default=True)
def demo(output: Path) -> None:
    """Send real photos through a service of its own and show what comes back."""
    from .demo import run_demo

    sys.exit(run_demo(output))


def main() -> None:
    """The console script."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ConfigurationError as error:
        click.echo(f"photochanger: {error.detail}", err=True)
        sys.exit(2)
    except PhotoChangerError as error:
        click.echo(f"photochanger: {error.detail}", err=True)
        sys.exit(1)
    except OSError as error:
        click.echo(f"photochanger: {error}", err=True)
        sys.exit(1)
