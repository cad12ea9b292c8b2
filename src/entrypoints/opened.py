"""The wiring for commands that look at a service or change it, beside one that runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dishka import AsyncContainer

from ..adapters.postgres import Database, require_current_schema
from .bootstrap import migrate_database
from .config import Settings
from .container import make_container


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[AsyncContainer]:
    """The wiring, with a schema that fits: the embedded database is ours alone to bring up to date."""
    container = make_container(settings)
    try:
        if settings.database_url is None:
            await migrate_database(container)
        else:
            await require_current_schema(await container.get(Database))
        yield container
    finally:
        await container.close()
