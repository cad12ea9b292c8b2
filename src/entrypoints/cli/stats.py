"""`photochanger stats`: recompute the statistics."""

from __future__ import annotations

import click

from ...core.services.stats.service import StatsQueries
from ..config import Settings
from .runtime import configured, open_container, run_async


@click.group()
def stats() -> None:
    """Manage statistics."""


@stats.command("rebuild")
def rebuild() -> None:
    """Recompute statistics from all retained jobs; the service may be running.

    Figures of jobs that have been removed since are kept.
    """
    counted = run_async(_rebuild(configured()))
    click.echo(f"Statistics recomputed from {counted} ended jobs.")


async def _rebuild(settings: Settings) -> int:
    async with open_container(settings) as container:
        return await (await container.get(StatsQueries)).rebuild()
