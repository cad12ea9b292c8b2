"""The status of a service as tables for a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ..core.domain.job import QueueDepth
from ..core.domain.provider_usage import Breaker, ProviderHealth
from ..core.domain.worker import WorkerStatus
from .diagnostics.status import DiskStatus, FailedJob, Status

_MIB = 1024 * 1024
_GIB = 1024 * _MIB
_WRONG = "bold red"


def as_tables(status: Status) -> Group:
    """One table for each part, most pressing first."""
    return Group(
        Text(f"PhotoChanger at {status.at:%Y-%m-%d %H:%M:%S} UTC", style="bold"),
        _queue(status.queue),
        _disk(status.disk),
        _workers(status.workers),
        _providers(status.providers),
        _failures(status.last_failures),
    )


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _queue(queue: QueueDepth) -> Text:
    waiting = ", ".join(f"{id} {count}" for id, count in sorted(queue.by_provider.items()))
    said = f"Queue: {queue.pending} pending, {queue.processing} processing"
    return Text(f"{said} ({waiting})" if waiting else said)


def _disk(disk: DiskStatus) -> Text:
    if disk.free_bytes is None:
        return Text("Disk: the media store does not tell how much is free")
    said = f"Disk: {disk.free_bytes / _GIB:.1f} GiB free, floor {disk.floor_bytes / _GIB:.2f} GiB"
    return Text(said) if disk.enough else Text(f"{said}: no photo is taken", style=_WRONG)


def _workers(workers: tuple[WorkerStatus, ...]) -> Table | Text:
    if not workers:
        return Text("Workers: none", style=_WRONG)
    table = _table("Worker", "Host", "Process", "Jobs", "Version", "Heard of")
    for worker in workers:
        report = worker.report
        heard = f"{age(worker.age.total_seconds())} ago" + (", silent" if worker.silent else "")
        table.add_row(
            *(Text(report.name), Text(report.host), str(report.pid), f"{report.running} of {report.concurrency}"),
            *(Text(report.version), Text(heard, style=_WRONG if worker.silent else "")),
        )
    return table


def _providers(providers: dict[str, ProviderHealth]) -> Table | Text:
    if not providers:
        return Text("Providers: none but those of this machine")
    table = _table("Provider", "Breaker", "Pictures", "Calls a minute", "Calls today")
    for id, provider in providers.items():
        closed = provider.breaker is Breaker.CLOSED
        table.add_row(
            Text(id),
            Text(provider.breaker.replace("_", "-"), style="" if closed else _WRONG),
            "-" if provider.health is None else f"{provider.health:.0%}",
            str(provider.calls_last_minute),
            str(provider.calls_today),
        )
    return table


def _failures(failures: tuple[FailedJob, ...]) -> Table | Text:
    if not failures:
        return Text("Failures: none")
    table = _table("Failed job", "Slot", "Code", "Provider", "Ended")
    for job in failures:
        table.add_row(
            *(str(job.job_id), job.slot_id, Text(job.code), Text(job.provider_id or "-")),
            f"{age(job.age_seconds)} ago",
        )
    return table


def age(seconds: float) -> str:
    """A span for people, in its largest unit."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"
