"""Connections that notice a silent database: each reply has a time limit of its own on this side.

Through a pooler in transaction mode, such as PgBouncer, each transaction may run on another connection of the server.
There a connection keeps no state of its session: its settings are sent with each transaction (ADR 80).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import AsyncIterator, Iterable
from typing import Any, NamedTuple, Self, TypeVar

import psycopg
from psycopg.abc import Params, PQGen, Query
from psycopg.pq import PipelineStatus, TransactionStatus

from .outages import DatabaseRefused, ReplyMissing, outage_of

CONNECT_TIMEOUT_SECONDS = 3
"""A connection that is not made by then is tried again: what was sent to a silent network may be lost."""

KEEPALIVE: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""Options of libpq that notice a network without an answer; a server or a relay that hangs still answers TCP."""

PROBE_SECONDS = 2.0
"""Limit for the reply to the question that is asked of an idle connection before its next use."""

IDLE_TRANSACTION_SECONDS = 5
"""How long the server keeps a transaction, and its locks, without a statement. The host that began it may have gone
without an end of the connection, which the server would notice after hours."""


class Limits(NamedTuple):
    """The server's limits for a connection, in seconds; 0: none."""

    statement: int
    """Below any sync window."""

    transaction: int
    """Between the statements of a pipeline only this one ends what a host that is gone has begun. PostgreSQL 17 and
    later."""


USUAL = Limits(statement=8, transaction=0)

HOT = Limits(statement=5, transaction=10)
"""For the statements that every photo needs, which are repeated while its window lasts."""

_REPLY_MARGIN_SECONDS = 1.0
"""How much longer than the server's limit this side waits: only a connection that is silent is closed."""

_FIRST_PAUSE_SECONDS = 0.1
_MAX_PAUSE_SECONDS = 1.0

_Answer = TypeVar("_Answer")


_NAME = "photochanger"
"""The name of a connection; a direct one has the process id in it."""

_SETTINGS = """
    select set_config('statement_timeout', '{statement}s', {local}),
        set_config('idle_in_transaction_session_timeout', '{idle}s', {local}), set_config('timezone', 'UTC', {local}),
        case when current_setting('transaction_timeout', true) is not null
            then set_config('transaction_timeout', '{transaction}s', {local}) end
"""

_POOLED = "pg_backend_pid() <> {pid}"
"""Whether another process of the server answers than the one that greeted: a pooler invents the greeting."""


class _PooledCursor(psycopg.AsyncCursor[Any]):
    """A cursor whose statement, where it begins a transaction, travels with the settings."""

    connection: BoundedConnection

    async def execute(
        self,
        query: Any,
        params: Params | None = None,
        *,
        prepare: bool | None = None,
        binary: bool | None = None,
    ) -> Self:
        async with self.connection.with_settings():
            return await super().execute(query, params, prepare=prepare, binary=binary)

    async def executemany(self, query: Query, params_seq: Iterable[Params], *, returning: bool = False) -> None:
        async with self.connection.with_settings():
            await super().executemany(query, params_seq, returning=returning)


class BoundedConnection(psycopg.AsyncConnection[Any]):
    """A connection whose socket is shut down when a reply takes longer than `reply_within` seconds (None: no limit).

    What has arrived until then is still read. A statement timeout of the server does not help where the network is
    silent, and the keepalive of TCP does not where only the server hangs.
    """

    reply_within: float | None = None
    statements_within: float | None = None
    """The limit for statements; that for the question before them is PROBE_SECONDS."""

    silent = False
    """Whether it was closed because a reply was missing."""

    pooled = False
    """Whether it leads through a pooler."""

    _settings = ""

    async def set_up(self, limits: Limits) -> None:
        """Find out whether there is a pooler, and set what holds for statements: for the session, through a pooler for
        each transaction. psycopg.Error."""
        values = limits._asdict() | {"idle": IDLE_TRANSACTION_SECONDS}
        pooled = _POOLED.format(pid=self.info.backend_pid)
        # The pooler would set the names of its clients on each of its connections, statement by statement.
        named = f"set_config('application_name', '{_NAME} {os.getpid()}', {pooled})"
        cursor = await self.execute(f"{_SETTINGS.format(local=pooled, **values)}, {named}, {pooled}")
        *_, self.pooled = await cursor.fetchone() or (False,)
        if self.pooled:
            self._settings = _SETTINGS.format(local="true", **values)
            self.cursor_factory = _PooledCursor
            self.prepare_threshold = None

    async def keep_plans(self) -> None:
        """Prepare each statement at its first use, with one plan for all values: for few statements that come often.

        PostgreSQL would plan the first uses, ten of each on each connection, for their values. Through a pooler nothing
        is prepared. psycopg.Error.
        """
        if not self.pooled:
            await self.execute("set plan_cache_mode to force_generic_plan")
            self.prepare_threshold = 0

    @contextlib.asynccontextmanager
    async def with_settings(self) -> AsyncIterator[None]:
        """Send the settings together with the statement of the block where that begins a transaction."""
        if self.info.transaction_status is not TransactionStatus.IDLE:
            yield
        elif self.pgconn.pipeline_status != PipelineStatus.OFF:
            await psycopg.AsyncCursor(self).execute(self._settings)
            yield
        else:
            async with self.pipeline():
                await psycopg.AsyncCursor(self).execute(self._settings)
                yield

    async def call(self, procedure: str, parameters: Params) -> psycopg.AsyncCursor[Any]:
        """Execute a `call` of a procedure that commits by itself, outside of a transaction. psycopg.Error.

        It cannot run in one transaction with the settings: through a pooler only the limit of this side holds.
        """
        return await psycopg.AsyncCursor(self).execute(procedure.encode(), parameters)

    @contextlib.asynccontextmanager
    async def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> AsyncIterator[psycopg.AsyncTransaction]:
        begins = self.info.transaction_status is TransactionStatus.IDLE
        async with super().transaction(savepoint_name, force_rollback) as transaction:
            if self.pooled and begins:
                await self.execute(self._settings)
            yield transaction

    async def wait(self, gen: PQGen[_Answer], *args: Any, **options: Any) -> _Answer:
        if self.reply_within is None or self.closed:
            return await super().wait(gen, *args, **options)
        limit = asyncio.get_running_loop().call_later(self.reply_within, self._give_up)
        try:
            return await super().wait(gen, *args, **options)
        except psycopg.OperationalError as error:
            if self.silent:
                raise ReplyMissing(f"no reply within {self.reply_within:g} s") from error
            raise
        finally:
            limit.cancel()

    def _give_up(self) -> None:
        self.silent = True
        self.shut_down()

    def shut_down(self) -> None:
        """End it at once: a statement under way fails as on a connection that is lost, and so does a later one."""
        with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.fileno())) as own:
            own.shutdown(socket.SHUT_RDWR)


class Connector:
    """Opens connections to one database. After a failure further attempts wait, up to a second: a database that comes
    back is not met by all of them at once."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pause = 0.0
        self._not_before = 0.0

    async def open(self, *, autocommit: bool, limits: Limits = USUAL) -> BoundedConnection:
        """A connection with these limits. DatabaseUnavailable, DatabaseRefused."""
        loop = asyncio.get_running_loop()
        if (early := self._not_before - loop.time()) > 0:
            await asyncio.sleep(early * (1 + random.random() / 4))
        try:
            connection = await self._connect(limits)
            await connection.set_autocommit(autocommit)
        except (psycopg.Error, OSError) as error:
            self._pause = min(max(self._pause * 2, _FIRST_PAUSE_SECONDS), _MAX_PAUSE_SECONDS)
            self._not_before = loop.time() + self._pause
            raise outage_of(error) from error
        self._pause = self._not_before = 0.0
        return connection

    async def _connect(self, limits: Limits) -> BoundedConnection:
        connection = await BoundedConnection.connect(self._url, autocommit=True, **_arguments())
        try:
            require_encoding(connection)
            connection.statements_within = connection.reply_within = limits.statement + _REPLY_MARGIN_SECONDS
            await connection.set_up(limits)
        except BaseException:
            connection.pgconn.finish()
            raise
        return connection


def _arguments() -> dict[str, Any]:
    """The options of a connection of the service; those in the URL of the same name are replaced."""
    return {
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "application_name": _NAME,
        "options": "",  # a pooler refuses them
        **KEEPALIVE,
    }


def require_encoding(connection: psycopg.Connection[Any] | BoundedConnection) -> None:
    """Raise DatabaseRefused for a database without an encoding: its texts would be bytes."""
    if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
        connection.pgconn.finish()
        raise DatabaseRefused("it has the encoding SQL_ASCII; create one with encoding 'UTF8'")
