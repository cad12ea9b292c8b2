"""Access to the database: a pooled engine for most statements, shared plain connections for the hot path, and one
mapping of connection errors."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import psycopg
from sqlalchemy import URL, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from ...core.domain.errors import QueueUnavailable
from .batching import Batcher, Connection, SharedConnections

STATEMENT_TIMEOUT_SECONDS = 8
"""Below any sync window, so that a stuck statement ends before the request that needs it."""

CONNECT_TIMEOUT_SECONDS = 5
_POOL_TIMEOUT_SECONDS = 10
"""Wait for a pooled connection: above the statement timeout, so that one slow statement fails no other request."""

POOLED_CONNECTIONS = 3
BATCHING_CONNECTIONS = 4
MAX_CONNECTIONS = POOLED_CONNECTIONS + BATCHING_CONNECTIONS + 1
"""The most that one process holds, LISTEN included; docs/deployment.md states it."""


class Database:
    """A PostgreSQL database by its URL. At most MAX_CONNECTIONS connections, made when they are first needed."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = create_async_engine(
            _sqlalchemy_url(url),
            pool_size=POOLED_CONNECTIONS,
            max_overflow=0,
            pool_timeout=_POOL_TIMEOUT_SECONDS,
            pool_pre_ping=True,
            connect_args=_connect_arguments(),
        )
        self._batching = SharedConnections(self.connect, size=BATCHING_CONNECTIONS)
        self._batchers: list[Batcher[Any, Any]] = []
        self.connected = asyncio.Event()
        """Set by each new connection, which may lead to another server; cleared by its observer."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Finish the batches under way and close every connection."""
        for batcher in self._batchers:
            await batcher.close()
        await self._batching.close()
        await self._engine.dispose()

    async def connect(self) -> Connection:
        """A connection for the caller alone, in autocommit mode. QueueUnavailable."""
        with unavailable():
            connection = await psycopg.AsyncConnection.connect(self.url, autocommit=True, **_connect_arguments())
        self.connected.set()
        return connection

    def batcher(self, work: Any, *, durable: bool = True) -> Batcher[Any, Any]:
        """A Batcher for `work` on the shared connections, closed with the database.

        Where it is not durable, each batch is one transaction that does not wait for the disk: a crash of the database
        server may lose what was written in the last second.
        """

        async def without_waiting(connection: Connection, items: Any) -> Any:
            async with connection.pipeline(), connection.transaction():
                await connection.execute("set local synchronous_commit to off")
                return await work(connection, items)

        batcher: Batcher[Any, Any] = Batcher(self._batching, work if durable else without_waiting)
        self._batchers.append(batcher)
        return batcher

    @contextlib.asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction on a pooled connection, committed at the end of the block. QueueUnavailable."""
        with unavailable():
            async with self._engine.begin() as connection:
                yield connection

    async def now(self) -> datetime:
        """The time of the database's clock. QueueUnavailable."""
        async with self.begin() as connection:
            moment: datetime = (await connection.execute(text("select clock_timestamp()"))).scalar_one()
        return moment

    async def ping(self) -> None:
        """QueueUnavailable if the database does not answer."""
        async with self.begin() as connection:
            await connection.execute(text("select 1"))


@contextlib.contextmanager
def unavailable() -> Any:
    """Raise QueueUnavailable in place of the errors of a lost, refused or stuck connection."""
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, OSError) as error:
        raise QueueUnavailable("The database cannot be reached right now.") from error
    except DBAPIError as error:
        if error.connection_invalidated or isinstance(error.orig, psycopg.OperationalError | psycopg.InterfaceError):
            raise QueueUnavailable("The database cannot be reached right now.") from error
        raise


def _connect_arguments() -> dict[str, Any]:
    return {
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "application_name": f"photochanger {os.getpid()}",
        "options": f"-c statement_timeout={STATEMENT_TIMEOUT_SECONDS * 1000} -c timezone=UTC",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }


def _sqlalchemy_url(url: str) -> URL:
    """The URL for SQLAlchemy, with psycopg as the driver."""
    return make_url(url).set(drivername="postgresql+psycopg")
