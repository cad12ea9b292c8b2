"""The `photochanger` command. A wrong setting or a part that is away ends it with one line that says what to mend."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

import click

from ..core.domain.errors import ConfigurationError, PhotoChangerError
from ..core.domain.settings import PROVIDER_BOUNDS
from .cli_admin import admin, ingest_password
from .cli_data import backup, db, restore
from .cli_health import healthcheck
from .cli_ready_check import ready_check
from .cli_run import configured, run_async
from .cli_stats import stats
from .cli_status import status
from .config import PREFIX, Settings

_STDIN = 0
_INTERRUPTED = 130
"""How shells tell that Ctrl-C ended a command."""

_MAX_INPUT_CHARS = 64 * 1024


@click.group()
def cli() -> None:
    """PhotoChanger: photos in, finished pictures out, before the deadline."""


@cli.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 lets the system choose.")
@click.option("--workers", type=click.IntRange(0, 256), help="Concurrent jobs of this host; 0 runs none here.")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve HTTP, with workers in a process of their own."""
    from .serve import serve as run

    run_async(run(configured(host=host, port=port, workers=workers)))


@cli.command()
@click.option("--workers", type=click.IntRange(1, 256), help="Concurrent jobs of this process.")
@click.option("--supervised", is_flag=True, hidden=True)
def worker(workers: int | None, supervised: bool) -> None:
    """Run workers only, against the same database and media store as a `serve`."""
    settings = configured(workers=workers)
    if settings.workers == 0:
        raise ConfigurationError("PHOTOCHANGER_WORKERS", "a worker process needs at least 1")
    run_async(_work(settings, supervised=supervised))


async def _work(settings: Settings, *, supervised: bool) -> None:
    from ..adapters.telemetry import OpenTelemetry
    from ..core.services.support.concurrency import Supervisor
    from .bootstrap import (
        freeze_gc,
        migrate_database,
        print_initial_credentials,
        seed,
    )
    from .container import make_container
    from .metrics.relay import own_output, served, written_to
    from .worker.worker import Worker

    loop = asyncio.get_running_loop()
    output = own_output() if supervised else None
    container = make_container(settings)
    try:
        if not supervised:
            await migrate_database(container)
            print_initial_credentials(await seed(container))
        supervisor = await container.get(Supervisor)
        worker = await container.get(Worker)
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signal_number, worker.stop)
        if supervised:
            threading.Thread(target=_stop_with_parent, args=(loop, worker), daemon=True).start()
        telemetry = await container.get(OpenTelemetry)
        freeze_gc()
        metrics = served(settings, telemetry) if output is None else written_to(output, telemetry, supervisor)
        async with supervisor.guard(stop=worker.stop), metrics:
            await worker.run()
    finally:
        await container.close()


def _stop_with_parent(loop: asyncio.AbstractEventLoop, worker: Any) -> None:
    """The service that started this process holds the other end of its standard input."""
    while os.read(_STDIN, 4096):  # not by `sys.stdin`: its lock would be in the way when the interpreter ends
        pass
    loop.call_soon_threadsafe(worker.stop)


@cli.command()
def migrate() -> None:
    """Bring the database schema up to date."""
    run_async(_migrate(configured()))
    click.echo("The schema is up to date.")


async def _migrate(settings: Settings) -> None:
    from .bootstrap import migrate_database
    from .container import make_container

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
    run_async(_sweep(configured(), timedelta(seconds=grace)))


async def _sweep(settings: Settings, grace: timedelta) -> None:
    from ..core.services.maintenance.sweeper import Sweeper
    from .container import make_container

    container = make_container(settings)
    try:
        sweeper = await container.get(Sweeper)
        report = await sweeper.sweep_expired()
        report.update(await sweeper.sweep_orphans(grace=grace))
    finally:
        await container.close()
    for name, deleted in report.items():
        click.echo(f"{name.replace('_', ' ')}: {deleted}")


@cli.command()
def doctor() -> None:
    """Check the configuration and say what to mend."""
    from .doctor import run_checks

    findings = asyncio.run(run_checks())
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

        listing = run_async(describe(configured()))
        click.echo(json_text(listing) if as_json else as_table(listing))


@providers.command("set-key")
@click.argument("provider_id", metavar="ID")
def set_key(provider_id: str) -> None:
    """Store the key of a provider, sealed; it holds within a second, without a new start.

    The key is asked for, or read from standard input where that is no terminal: never from an argument, which other
    users of the machine could see.
    """
    from .providers_command import store_key

    settings = configured()
    asked = sys.stdin.isatty()
    key = click.prompt("Key", hide_input=True) if asked else sys.stdin.read(_MAX_INPUT_CHARS)
    run_async(store_key(settings, provider_id, key.strip()))
    click.echo(f"The key of {provider_id} is stored.")


@providers.command("forget-key")
@click.argument("provider_id", metavar="ID")
def forget_key(provider_id: str) -> None:
    """Remove the stored key of a provider; the environment's, where one is set, holds again."""
    from .providers_command import remove_key

    removed = run_async(remove_key(configured(), provider_id))
    click.echo(f"The key of {provider_id} is removed." if removed else f"No key of {provider_id} was stored.")


_BOUND = click.IntRange(*PROVIDER_BOUNDS)


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
    from ..core.domain.provider_usage import ProviderLimit
    from .providers_command import store_limits

    limit = ProviderLimit(max_concurrent=concurrent, per_minute=per_minute, per_day=per_day)
    if declared and limit != ProviderLimit():
        raise click.UsageError("--declared goes with no other limit")
    run_async(store_limits(configured(), provider_id, None if declared else limit))
    click.echo(f"The limits of {provider_id} are set.")


@cli.group()
def slots() -> None:
    """Take all slots out to one file, and bring them in from one."""


@slots.command("export")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
def export_slots(file: Path | None) -> None:
    """Write all slots to FILE, as JSON where it ends with .json, else as YAML; without FILE to standard output."""
    from .slots_command import export
    from .slots_file import as_yaml, write_file

    found = run_async(export(configured()))
    if file is None:
        click.echo(as_yaml(found), nl=False)
    else:
        write_file(file, found)
        click.echo(f"{len(found)} slots are in {file}.")


@slots.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Check the file and say what would change; store nothing.")
def import_slots(file: Path, dry_run: bool) -> None:
    """Store the slots of FILE, as `slots export` writes it. Slots that it does not name stay as they are.

    Everything is checked first: where one field of one slot does not fit, nothing is stored. Template pictures are
    referred to by id and do not travel with the file.
    """
    from .slots_command import (
        compare,
        count_changed,
        store,
        told_of,
    )
    from .slots_file import read_file

    settings = configured()
    imports = run_async((compare if dry_run else store)(settings, read_file(file)))
    if told := told_of(imports):
        click.echo(told)
    changed = count_changed(imports)
    click.echo(f"{changed} of {len(imports)} slots {'would change' if dry_run else 'changed'}.")


@cli.command()
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...", type=click.Path(path_type=Path))
@click.option("--slot", required=True, help="The slot that turns them, such as slot-001.")
@click.option("--url", required=True, help="Where the service is, such as http://host:8000.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("pictures"),
    show_default=True,
    help="The folder for the pictures.",
)
@click.option("--at-once", type=click.IntRange(1, 64), default=2, show_default=True, help="Photos under way at once.")
@click.option("--repeat", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Send each so many times.")
@click.option("--field", "fields", multiple=True, metavar="NAME=VALUE", help="A further field of the form.")
@click.option(
    "--password-file", type=click.File(encoding="utf-8"), help="Holds the ingest password; - is standard input."
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, 3600, min_open=True),
    default=75.0,
    show_default=True,
    help="Seconds for which the service may say nothing: its window, and some for the way.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output, and all else to standard error.")
def send(
    photos: tuple[Path, ...],
    slot: str,
    url: str,
    output: Path,
    at_once: int,
    repeat: int,
    fields: tuple[str, ...],
    password_file: TextIO | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Send photos to a service as a camera does, and save the pictures that come back.

    A PHOTO is a file, or a folder with pictures in it. The ingest password is taken from --password-file or
    PHOTOCHANGER_INGEST_PASSWORD, or asked for: never from an argument, which other users of the machine could see.
    Ends with 0 only if every photo came back as a picture. Ctrl-C ends it with 130, and what came back until then.
    """
    from .send_command import (
        console_for,
        json_text,
        photos_of,
        send,
        show,
        target_of,
    )

    chosen = photos_of(photos, repeat=repeat)
    password = _ingest_password(password_file)
    target = target_of(url, slot, password=password, fields=fields, silence_seconds=timeout)
    console = console_for(errors_only=as_json)
    report = run_async(send(target, chosen, output=output, at_once=at_once, console=console))
    if as_json:
        click.echo(json_text(report))
    else:
        show(report, console)
    if report.interrupted:
        sys.exit(_INTERRUPTED)
    if not report.all_pictures:
        sys.exit(1)


def _ingest_password(file: TextIO | None) -> str:
    """From the file, else from the environment, else asked for where somebody can answer. ConfigurationError."""
    if file is not None:
        try:
            return file.read(_MAX_INPUT_CHARS).rstrip("\r\n")
        except UnicodeDecodeError:
            raise ConfigurationError("--password-file", "is not UTF-8") from None
    if password := os.environ.get(PREFIX + "INGEST_PASSWORD"):
        return password
    if not sys.stdin.isatty():
        raise ConfigurationError(PREFIX + "INGEST_PASSWORD", "is not set; --password-file is the other way")
    return str(click.prompt("Ingest password", hide_input=True, err=True))


@cli.command()
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), default=Path("var/demo"), show_default=True)
def demo(output: Path) -> None:
    """Send real photos through a service of its own and show what comes back."""
    from .demo import run_demo

    sys.exit(run_demo(output))


cli.add_command(admin)
cli.add_command(ingest_password)
for _command in (status, backup, restore, db):
    cli.add_command(_command)
cli.add_command(stats)
cli.add_command(healthcheck)
cli.add_command(ready_check)


def main() -> None:
    """The console script."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(_INTERRUPTED)
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
