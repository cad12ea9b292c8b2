"""How a command runs: its configuration from the environment, its event loop, and the container of the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..config import Settings
from ..logging_setup import set_up_logging

if TYPE_CHECKING:
    from dishka import AsyncContainer

MAX_INPUT_BYTES = 64 * 1024
"""The most that is read of a password or key on standard input."""

_T = TypeVar("_T")


def configured(**options: Any) -> Settings:
    """Return the settings of the environment, replaced by the given options that are not None. ConfigurationError."""
    settings = Settings.from_env()
    set_up_logging(settings.log_format)
    return msgspec.structs.replace(settings, **{name: value for name, value in options.items() if value is not None})


def run_async(work: Coroutine[Any, Any, _T]) -> _T:
    """Run on uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


@asynccontextmanager
async def open_container(settings: Settings, *, uses_key: bool = False) -> AsyncIterator[AsyncContainer]:
    """The container, for commands that read or change a service, which may be running.

    The schema must be current; that of the embedded database is updated first. A command that reads or makes what the
    secret key protects must have that of the service's hosts. ConfigurationError, SchemaOutdated, QueueUnavailable.
    """
    from ...adapters.postgres import Database, require_current_schema
    from ...core.services.support.concurrency import Supervisor
    from ..bootstrap import migrate_database
    from ..container import make_container
    from ..process.clock import set_clock
    from ..shared_key import require_shared_key

    container = make_container(settings)
    try:
        async with (await container.get(Supervisor)).guard():
            if settings.database_url is None:
                await migrate_database(container)
            else:
                await require_current_schema(await container.get(Database))
            await set_clock(container)
            if uses_key:
                await require_shared_key(container)
            yield container
    finally:
        await container.close()
