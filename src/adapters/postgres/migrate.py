"""Bringing the schema up to date, safely while other processes do the same, and while hosts of the version before use
it. Alembic is imported only for that."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, Row, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from ...core.domain.errors import QueueUnavailable
from ...core.ports.database import DatabaseServer
from .command_connection import connect_now
from .database import Database
from .migrations.compatibility import READ_SCHEMA, unusable
from .outages import DatabaseRefused, DatabaseUnavailable, is_outage, is_refusal, outage_of
from .schema import SCHEMA
from .servers.connector import primary_url

REVISIONS = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
    "0016",
    "0017",
)
"""The revisions of the schema, oldest first: those in `migrations/versions`. The last one is this version's."""

HEAD = REVISIONS[-1]

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 5_093_200_001
"""The advisory lock that a migrating process holds; the enqueueing lock is another one."""

_LOCK_TIMEOUT = "500ms"
"""How long a migration waits for a lock on a table. The requests that come meanwhile wait behind it."""

_MAX_TRIES = 60
_PAUSE_SECONDS = 0.5
"""Pause before the next try for a lock, on average."""

_LOCK_NOT_AVAILABLE = "55P03"

_log = logging.getLogger("photochanger.start")

_WITHOUT_LIMIT = "set local idle_in_transaction_session_timeout = 0"
_TRY_LOCK = text("select pg_try_advisory_xact_lock(:lock)")
_HAS_REVISION = text(f"select to_regclass('{SCHEMA}.alembic_version')")
_HAS_SCHEMA = text(f"select to_regnamespace('{SCHEMA}') is not null")
_FACTS = text(f"""
    select pg_is_in_recovery() or current_setting('transaction_read_only')::boolean as read_only,
        coalesce(
            has_schema_privilege(to_regnamespace('{SCHEMA}')::oid, 'CREATE'),
            has_database_privilege(datname, 'CREATE')
        ) as may_create,
        to_regnamespace('{SCHEMA}') is null as fresh, current_user as role, datname as database
    from pg_database where datname = current_database()
""")


class SchemaOutdated(QueueUnavailable):
    """The database has a schema that this version of PhotoChanger cannot use."""

    code = "schema_outdated"


class SchemaBusy(DatabaseUnavailable):
    """The schema cannot be updated yet: another process updates it, or a table is locked for long. Try again."""


def migrate(url: str, *, to: str = HEAD) -> None:
    """Upgrade the schema to this revision. Nothing to do where it is there, or is newer and this code can use it.

    Waits up to a minute for other processes that migrate, and for locks on tables that hosts use; each wait for one is
    short, since requests would wait behind it. SchemaOutdated where the schema is that of a newer version that this one
    cannot use, SchemaBusy, DatabaseRefused, DatabaseUnavailable.
    """
    try:
        engine = create_engine(
            "postgresql+psycopg://", poolclass=NullPool, creator=lambda: connect_now(primary_url(url))
        )
        with engine.connect() as connection:
            facts = connection.execute(_FACTS).one()
            _require_fit(facts, creates=False)
            connection.commit()
            with _alone(engine):
                schema = connection.scalar(_HAS_REVISION) and connection.scalar(READ_SCHEMA)
                if schema and schema["version_num"] not in REVISIONS:
                    if reason := unusable(schema, REVISIONS):
                        raise SchemaOutdated(reason)
                elif not schema or schema["version_num"] != to:
                    _require_fit(facts, creates=True)
                    if not connection.scalar(_HAS_SCHEMA):  # creating it needs a right that its owner may lack
                        connection.execute(text(f"create schema if not exists {SCHEMA}"))
                    connection.commit()
                    _try(lambda: _upgrade(connection, to), "a table is locked for long")
    except (psycopg.Error, DBAPIError, OSError) as error:
        if not is_outage(error) and not is_refusal(error):
            raise
        raise outage_of(error) from error


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Hold the lock of migrations for the block, by an open transaction on a connection of its own: through a pooler a
    session goes on on any connection of the server, and its locks stay behind. SchemaBusy.

    It is polled: who waits for it holds a snapshot, and an index that is made concurrently waits for those.
    """
    with engine.connect() as holder:

        def lock() -> bool:
            if not holder.scalar(_TRY_LOCK, {"lock": _LOCK}):
                holder.rollback()
                return False
            # Needs no snapshot, and ends that of the statement before, which an index made concurrently would wait for.
            holder.exec_driver_sql(_WITHOUT_LIMIT)
            return True

        _try(lock, "another process updates the schema")
        yield


def _try(work: Callable[[], bool], reason: str) -> None:
    """Do the work until it returns true, with pauses; SchemaBusy once it has returned false _MAX_TRIES times."""
    for tried in range(_MAX_TRIES):
        if work():
            return
        if tried == 0:
            _log.info("waiting to update the schema: %s", reason)
        time.sleep(_PAUSE_SECONDS * (0.5 + random.random()))
    raise SchemaBusy(reason)


def _require_fit(facts: Row[Any], *, creates: bool) -> None:
    """Raise DatabaseRefused where the role must change the schema and may not, DatabaseUnavailable while it is
    read-only. A role that may only use the schema can run a service on one that is up to date."""
    if creates and not facts.may_create:
        place = f"database {facts.database!r}" if facts.fresh else f"schema {SCHEMA!r}"
        raise DatabaseRefused(f"the role {facts.role!r} has no CREATE right on the {place}; grant it")
    if facts.read_only:
        raise DatabaseUnavailable("it is read-only (a standby, or default_transaction_read_only is on)")


def known_revision(revision: str) -> bool:
    """Whether this version of PhotoChanger can make the schema of this revision."""
    return revision in REVISIONS


async def require_current_schema(database: Database) -> None:
    """Return if the schema is this version's, or a newer one that it can use; SchemaOutdated, QueueUnavailable."""
    async with database.begin() as connection:
        schema = await connection.scalar(_HAS_REVISION) and await connection.scalar(READ_SCHEMA)
    if reason := unusable(schema, REVISIONS):
        raise SchemaOutdated(reason)


class PostgresDatabaseStatus:
    """The DatabaseStatus port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ping(self) -> None:
        await self._database.ping()

    async def require_fit(self) -> None:
        async with self._database.begin() as connection:
            facts = (await connection.execute(_FACTS)).one()
        _require_fit(facts, creates=facts.fresh)

    async def require_current_schema(self) -> None:
        await require_current_schema(self._database)

    async def now(self) -> datetime:
        return await self._database.now()

    async def servers(self) -> list[DatabaseServer]:
        return await self._database.servers()


def _upgrade(connection: Connection, revision: str) -> bool:
    """Take the steps to the revision, each in a transaction of its own; False where a lock could not be had."""
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    options: dict[str, Any] = {"script_location": str(_MIGRATIONS), "path_separator": "os"}
    for name, value in options.items():
        config.set_main_option(name, value.replace("%", "%%"))
    event.listen(connection, "begin", _limit_waits)
    driver: Any = connection.connection.driver_connection
    limit, driver.reply_within = driver.reply_within, None  # a step may copy or index millions of rows
    try:
        command.upgrade(config, revision)
        connection.commit()
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        connection.rollback()
        return False
    finally:
        driver.reply_within = limit
        event.remove(connection, "begin", _limit_waits)
    return True


def _limit_waits(connection: Connection) -> None:
    """Bound the waits for locks in the transaction that begins."""
    connection.exec_driver_sql(f"set local lock_timeout = '{_LOCK_TIMEOUT}'")
