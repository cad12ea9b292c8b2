"""How an external database is reached, for `doctor`: through a pooler or not, wake-ups by LISTEN or by polling."""

from __future__ import annotations

import asyncio

from dishka import AsyncContainer

from ...adapters.postgres import Database, ListenMode, PostgresJobSignals
from ...core.ports.job_queue import JobSignals
from ..config import PREFIX, Settings
from .finding import Finding

_LISTEN_SECONDS = 10.0
"""How long to wait for the listener, which connects while the first checks run."""


async def database_connections(container: AsyncContainer) -> list[Finding]:
    """The finding on an external database; none on the embedded one. QueueUnavailable."""
    settings, signals = await container.get(Settings), await container.get(JobSignals)
    if settings.database_url is None or not isinstance(signals, PostgresJobSignals):
        return []
    database = await container.get(Database)
    await database.ping()
    try:
        async with asyncio.timeout(_LISTEN_SECONDS):
            await signals.wait_until_listening()
    except TimeoutError:
        pass  # what is known of it is shown
    return [finding(pooled=database.pooled, mode=signals.mode)]


def finding(*, pooled: bool, mode: ListenMode | None) -> Finding:
    """The finding for connections through a pooler or not, and this kind of wake-ups; None: no listener connected."""
    part, says = "database connections", f"through a pooler: {'yes' if pooled else 'no'}, listener: "
    variable = PREFIX + "LISTEN_DATABASE_URL"
    match mode:
        case ListenMode.LISTEN:
            return Finding(part, says + "direct")
        case ListenMode.POOLER:
            return Finding(part, f"{says}polling; {variable} would make it direct")
        case None:
            return Finding(part, says + "cannot connect, polling", f"Check {variable}, or unset it.")
        case _:
            fix = f"Set {variable} to the direct address of the same database, or unset it."
            return Finding(part, f"{says}polling, because {mode.value}", fix)
