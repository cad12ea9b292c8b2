"""The way to the database: the pooled engine for everyday statements, plain connections for the hot path, one mapping
of what can go wrong on the way."""

from __future__ import annotations

import contextlib
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
from .batching import BatchingConnection

STATEMENT_TIMEOUT_SECONDS = 8
"""Below every sync window, so that a stuck statement never outlives the request that needs it."""

CONNECT_TIMEOUT_SECONDS = 5
_POOL_SIZE = 5


class Database:
    """A PostgreSQL database by its URL. Connections are made when they are first needed."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = create_async_engine(
            _sqlalchemy_url(url),
            pool_size=_POOL_SIZE,
            max_overflow=_POOL_SIZE,
            pool_timeout=CONNECT_TIMEOUT_SECONDS,
            pool_pre_ping=True,
            connect_args=_connect_arguments(),
        )
        self._lanes: list[BatchingConnection[Any, Any]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        for lane in self._lanes:
            await lane.close()
        await self._engine.dispose()

    async def connect(self) -> psycopg.AsyncConnection[Any]:
        """A connection of the caller's own, each statement its own transaction. QueueUnavailable."""
        with unavailable():
            return await psycopg.AsyncConnection.connect(self.url, autocommit=True, **_connect_arguments())

    def lane(self, work: Any, *, durable: bool = True) -> BatchingConnection[Any, Any]:
        """A lane of its own connection that runs `work` (see Lane) and is closed with the database.

        Where it is not durable, a crash of the database server may lose what was written in the last second; nothing
        waits for the disk then.
        """

        async def connect() -> psycopg.AsyncConnection[Any]:
            connection = await self.connect()
            if not durable:
                await connection.execute("set synchronous_commit to off")
            return connection

        lane: BatchingConnection[Any, Any] = BatchingConnection(connect, work)
        self._lanes.append(lane)
        return lane

    @contextlib.asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction on a pooled connection, committed at the end of the block. QueueUnavailable."""
        with unavailable():
            async with self._engine.begin() as connection:
                yield connection

    async def now(self) -> datetime:
        """The moment by the database's clock. QueueUnavailable."""
        async with self.begin() as connection:
            moment: datetime = (await connection.execute(text("select clock_timestamp()"))).scalar_one()
        return moment

    async def ping(self) -> None:
        """QueueUnavailable if the database does not answer."""
        async with self.begin() as connection:
            await connection.execute(text("select 1"))


@contextlib.contextmanager
def unavailable() -> Any:
    """Turn what a lost, refused or stuck connection raises into QueueUnavailable."""
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
        "application_name": "photochanger",
        "options": f"-c statement_timeout={STATEMENT_TIMEOUT_SECONDS * 1000} -c timezone=UTC",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }


def _sqlalchemy_url(url: str) -> URL:
    """The same address for SQLAlchemy, with psycopg as the driver."""
    return make_url(url).set(drivername="postgresql+psycopg")
