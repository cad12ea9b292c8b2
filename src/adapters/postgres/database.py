"""Access to the database: a pooled engine for most statements, shared plain connections for the hot path, and one
mapping of connection errors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from ...core.ports.database import DatabaseServer
from ...core.services.support.repeated_calls import current_patience
from .batching import Batcher, Connection, SharedConnections
from .confirmation import Change, forget_entry
from .connection import HOT, PROBE_SECONDS, BoundedConnection
from .outages import DatabaseUnavailable, is_outage, unavailable
from .servers.connector import PrimaryConnector, connector_for
from .servers.watch import watch_servers

_POOL_TIMEOUT_SECONDS = 10
"""Wait for a pooled connection: above the statement timeout, so that one slow statement fails no other request."""

POOLED_CONNECTIONS = 3
BATCHING_CONNECTIONS = 4
MAX_CONNECTIONS = POOLED_CONNECTIONS + BATCHING_CONNECTIONS + 1
"""The most that one process holds, LISTEN included; docs/deployment.md states it."""


def _probe_next(connection: Any, record: ConnectionPoolEntry) -> None:
    """An idle connection may be silent when it is used again: the pool asks it first, and does not wait long."""
    if isinstance(idle := record.driver_connection, BoundedConnection):
        idle.reply_within = PROBE_SECONDS


class Database:
    """A PostgreSQL database by its URL. At most MAX_CONNECTIONS connections, made when they are first needed.

    `listen_url` is that of the same database without a pooler, for LISTEN.
    """

    def __init__(self, url: str, *, listen_url: str | None = None) -> None:
        self.url = url
        self.listen_url = listen_url
        self.pooled = False
        """Whether the latest connection led through a pooler."""

        self._connector = connector_for(url)
        self._listening = self._connector if listen_url is None else connector_for(listen_url)
        # libpq reads the URL, not SQLAlchemy, which does not know lists of hosts.
        self._engine = create_async_engine(
            "postgresql+psycopg://",
            async_creator=self._pooled,
            pool_size=POOLED_CONNECTIONS,
            max_overflow=0,
            pool_timeout=_POOL_TIMEOUT_SECONDS,
            pool_pre_ping=True,
        )
        event.listen(self._engine.sync_engine, "checkin", _probe_next)
        self._batching = SharedConnections(self._connect_shared, size=BATCHING_CONNECTIONS)
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

    async def connect(self) -> BoundedConnection:
        """A connection for the caller alone, in autocommit mode. QueueUnavailable."""
        connection = await self._connector.open(autocommit=True, limits=HOT)
        self.connected.set()
        return connection

    async def _connect_shared(self) -> BoundedConnection:
        connection = await self.connect()
        try:
            await connection.keep_plans()
        except BaseException:
            connection.pgconn.finish()
            raise
        return connection

    async def connect_listener(self) -> BoundedConnection:
        """A connection for LISTEN, which works where it is not `pooled`. QueueUnavailable."""
        connection = await self._listening.open(autocommit=True, limits=HOT)
        self.connected.set()
        return connection

    async def _pooled(self) -> BoundedConnection:
        connection = await self._connector.open(autocommit=False)
        self.pooled = connection.pooled
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
        """A transaction on a pooled connection, committed at the end of the block. QueueUnavailable.

        While calls are repeated (`repeated_calls`), QueueUnavailable says that nothing was changed: where the commit
        was not confirmed, the database is asked for it, else ChangeUnconfirmed.
        """
        patience, change = current_patience(), None
        try:
            with unavailable():
                async with self._engine.begin() as connection:
                    used = (await connection.get_raw_connection()).driver_connection
                    assert isinstance(used, BoundedConnection)
                    used.reply_within = used.statements_within  # it has answered
                    forget_entry(connection)
                    try:
                        yield connection
                        change = await Change.of(connection, used) if patience is not None else None
                    except DBAPIError as error:
                        if is_outage(error):  # the next connection may reach another server, which can be written to
                            await connection.invalidate()
                        raise
        except DatabaseUnavailable as error:
            if patience is None or change is None:
                raise
            await change.confirm(self.begin, patience, error)

    async def watch(self) -> None:
        """Follow the primary of several servers, and log commits that cannot end; until cancelled."""
        await watch_servers(self.begin, {self._connector, self._listening})

    async def servers(self) -> list[DatabaseServer]:
        """The servers among which the primary is found, as they are now; none where the URL names one."""
        return await self._connector.roles() if isinstance(self._connector, PrimaryConnector) else []

    async def now(self) -> datetime:
        """The time of the database's clock. QueueUnavailable."""
        async with self.begin() as connection:
            moment: datetime = (await connection.execute(text("select clock_timestamp()"))).scalar_one()
        return moment

    async def ping(self) -> None:
        """QueueUnavailable if the database does not answer."""
        async with self.begin() as connection:
            await connection.execute(text("select 1"))
