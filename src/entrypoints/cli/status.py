"""`photochanger status`: once, as JSON, or refreshed in place every second until Ctrl-C."""

from __future__ import annotations

import asyncio
import sys

import click
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ...core.domain.errors import PhotoChangerError
from ...core.domain.job import QueueDepth
from ...core.domain.routing.provider_usage import Breaker, ProviderHealth
from ...core.domain.worker import WorkerStatus
from ...core.services.support.database_clock import OFFSET_TOLERANCE
from ..config import Settings
from ..diagnostics.status import ClockStatus, DiskStatus, FailedJob, Status, collect_status, status_body
from .runtime import configured, open_container, run_async
from .tables import BAD, json_text, make_console, make_table

_INTERVAL_SECONDS = 1.0
_GIB = 1024**3


@click.command()
@click.option("--once", is_flag=True, help="Print the status once; the default where the output is no terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, once.")
def status(once: bool, as_json: bool) -> None:
    """Show queue, workers, providers, disk and the last failures, refreshed every second until Ctrl-C."""
    settings = configured()
    if as_json:
        click.echo(json_text(status_body(run_async(_collect(settings)))))
    elif once or not sys.stdout.isatty():
        make_console().print(as_tables(run_async(_collect(settings))))
    else:
        try:
            run_async(_watch(settings))
        except KeyboardInterrupt:
            return


async def _collect(settings: Settings) -> Status:
    async with open_container(settings) as container:
        return await collect_status(container)


async def _watch(settings: Settings) -> None:
    async with open_container(settings) as container:
        shown = as_tables(await collect_status(container))
        with Live(shown, console=make_console(), auto_refresh=False) as live:
            while True:
                await asyncio.sleep(_INTERVAL_SECONDS)
                try:
                    live.update(as_tables(await collect_status(container)), refresh=True)
                except PhotoChangerError as error:  # an outage is part of the status
                    live.update(Text(error.detail, style=BAD), refresh=True)


def as_tables(status: Status) -> Group:
    """One table for each part, the most urgent first."""
    return Group(
        Text(f"PhotoChanger at {status.at:%Y-%m-%d %H:%M:%S} UTC", style="bold"),
        _queue(status.queue),
        _disk(status.disk),
        _clock(status.clock),
        _workers(status.workers),
        _providers(status.providers),
        _failures(status.last_failures),
    )


def _queue(queue: QueueDepth) -> Text:
    by_provider = ", ".join(f"{id} {count}" for id, count in sorted(queue.by_provider.items()))
    line = f"Queue: {queue.pending} pending, {queue.processing} processing"
    return Text(f"{line} ({by_provider})" if by_provider else line)


def _disk(disk: DiskStatus) -> Text:
    if disk.free_bytes is None:
        return Text("Disk: free space unknown")
    line = f"Disk: {disk.free_bytes / _GIB:.1f} GiB free, minimum {disk.floor_bytes / _GIB:.2f} GiB"
    return Text(line) if disk.enough else Text(f"{line}: photos are refused", style=BAD)


def _clock(clock: ClockStatus) -> Text:
    line = f"Clock: {clock.ahead_seconds:+.1f} s from the database's"
    off = abs(clock.ahead_seconds) - clock.error_seconds > OFFSET_TOLERANCE.total_seconds()
    return Text(f"{line}, corrected", style=BAD) if off else Text(line)


def _workers(workers: tuple[WorkerStatus, ...]) -> Table | Text:
    if not workers:
        return Text("Workers: none", style=BAD)
    table = make_table("Worker", "Host", "Process", "Jobs", "Version", "Heartbeat")
    for worker in workers:
        report = worker.report
        heartbeat = f"{_span(worker.age.total_seconds())} ago" + (", silent" if worker.silent else "")
        table.add_row(
            *(report.name, report.host, str(report.pid), f"{report.running} of {report.concurrency}", report.version),
            Text(heartbeat, style=BAD if worker.silent else ""),
        )
    return table


def _providers(providers: dict[str, ProviderHealth]) -> Table | Text:
    if not providers:
        return Text("Providers: only local ones")
    table = make_table("Provider", "Breaker", "Success", "Calls/min", "Calls today")
    for id, provider in providers.items():
        closed = provider.breaker is Breaker.CLOSED
        table.add_row(
            id,
            Text(provider.breaker.replace("_", "-"), style="" if closed else BAD),
            "-" if provider.health is None else f"{provider.health:.0%}",
            str(provider.calls_last_minute),
            str(provider.calls_today),
        )
    return table


def _failures(failures: tuple[FailedJob, ...]) -> Table | Text:
    if not failures:
        return Text("Failures: none")
    table = make_table("Failed job", "Slot", "Code", "Provider", "Ended")
    for job in failures:
        ended = f"{_span(job.age_seconds)} ago"
        table.add_row(str(job.job_id), job.slot_id, job.code, job.provider_id or "-", ended)
    return table


def _span(seconds: float) -> str:
    """A duration in its largest unit."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"
