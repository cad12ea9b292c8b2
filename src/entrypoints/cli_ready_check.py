"""`photochanger ready-check`: tries every active slot beside a running service, and tells what it found."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import click

from .cli_run import configured, run_async
from .config import Settings

if TYPE_CHECKING:
    from .diagnostics.ready_check_report import Line, ReadyCheckStream

_WIDTH = 140
"""Of the tables in characters where they go to no terminal."""


@click.command("ready-check")
@click.option("--json", "as_json", is_flag=True, help="Print each finding as a line of JSON, as it is found.")
def ready_check(as_json: bool) -> None:
    """Try every active slot with a photo, by the way of guests' photos, and show what is left of each quota.

    It runs beside a service, whose workers do the work, and takes a few places only. Providers count and charge for its
    calls. Ends with 0 only if every active slot made a picture.
    """
    if not run_async(_run(configured(), as_json=as_json)):
        sys.exit(1)


async def _run(settings: Settings, *, as_json: bool) -> bool:
    from .diagnostics.ready_check_report import ReadyCheckStream
    from .opened import opened

    async with opened(settings) as container:
        report = await container.get(ReadyCheckStream)
        return await (_print_json(report) if as_json else _print_tables(report))


async def _print_json(report: ReadyCheckStream) -> bool:
    from .diagnostics.ready_check_report import line_json

    ready = False
    async with report.lines(await report.slots()) as lines:
        async for line in lines:
            click.echo(line_json(line).decode())
            ready = _is_ready(line)
    return ready


async def _print_tables(report: ReadyCheckStream) -> bool:
    from rich.console import Console

    from ..core.domain.slot_check import SlotCheck
    from .ready_check_table import as_tables

    found: list[Line] = []
    async with report.lines(await report.slots()) as lines:
        async for line in lines:
            found.append(line)
            if isinstance(line, SlotCheck):
                click.echo(f"{line.slot_id}: {line.outcome}", err=True)
    width = shutil.get_terminal_size(fallback=(_WIDTH, 1)).columns
    Console(width=width, highlight=False).print(as_tables(found))
    return _is_ready(found[-1])


def _is_ready(line: Line) -> bool:
    from .diagnostics.ready_check_report import CheckFinished

    return isinstance(line, CheckFinished) and line.ready
