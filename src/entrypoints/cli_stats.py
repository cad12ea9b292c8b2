"""`photochanger stats` as commands."""

from __future__ import annotations

import click

from .cli_run import configured, run_async
from .config import Settings


@click.group()
def stats() -> None:
    """Statistics: count them anew."""


@stats.command("rebuild")
def rebuild() -> None:
    """Count all jobs that are kept anew, while the service runs.

    What was counted of jobs that have been removed since stays as it is.
    """
    counted = run_async(_rebuild(configured()))
    click.echo(f"{counted} ended jobs are counted.")


async def _rebuild(settings: Settings) -> int:
    from ..core.services.stats.service import StatsQueries
    from .opened import opened

    async with opened(settings) as container:
        return await (await container.get(StatsQueries)).rebuild()
