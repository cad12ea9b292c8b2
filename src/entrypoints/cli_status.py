"""`photochanger status` as a command: once, as JSON, or in place each second until it is stopped."""

from __future__ import annotations

import asyncio
import shutil
import sys
from typing import TYPE_CHECKING

import click

from .cli_run import configured, run_async
from .config import Settings

if TYPE_CHECKING:
    from .diagnostics.status import Status

_EVERY_SECONDS = 1.0
_WIDTH = 120
"""Of the tables in characters where they go to no terminal."""


@click.command()
@click.option("--once", is_flag=True, help="Print it once; so it is where the output is no terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, once.")
def status(once: bool, as_json: bool) -> None:
    """Show queue, workers, providers, disk and the last failures, each second anew until Ctrl-C."""
    settings = configured()
    if as_json:
        from .diagnostics.status import json_text

        click.echo(json_text(run_async(_look(settings))))
    elif once or not sys.stdout.isatty():
        run_async(_print(settings))
    else:
        try:
            run_async(_watch(settings))
        except KeyboardInterrupt:
            return


async def _look(settings: Settings) -> Status:
    from .diagnostics.status import collect_status
    from .opened import opened

    async with opened(settings) as container:
        return await collect_status(container)


async def _print(settings: Settings) -> None:
    from rich.console import Console

    from .status_table import as_tables

    width = shutil.get_terminal_size(fallback=(_WIDTH, 1)).columns
    Console(width=width, highlight=False).print(as_tables(await _look(settings)))


async def _watch(settings: Settings) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from ..core.domain.errors import PhotoChangerError
    from .diagnostics.status import collect_status
    from .opened import opened
    from .status_table import as_tables

    console = Console(highlight=False)
    async with opened(settings) as container:
        with Live(as_tables(await collect_status(container)), console=console, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(_EVERY_SECONDS)
                try:
                    live.update(as_tables(await collect_status(container)), refresh=True)
                except PhotoChangerError as error:  # an outage is part of what is watched
                    live.update(Text(error.detail, style="bold red"), refresh=True)
