"""Bringing the schema up to date, safely while other processes do the same. Alembic is imported only for that."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, Row, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from ...core.domain.errors import QueueUnavailable
from .connection import connect_now
from .database import Database
from .outages import DatabaseRefused, DatabaseUnavailable, is_outage, is_refusal, outage_of
from .schema import SCHEMA

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011", "0014")
"""The revisions of the schema, oldest first: those in `migrations/versions`. The last one is this version's."""

HEAD = REVISIONS[-1]

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 5_093_200_001
"""The advisory lock that a migrating process holds; the enqueueing lock is another one."""

_LOCK_PAUSE_SECONDS = 0.1

_HAS_REVISION = text(f"select to_regclass('{SCHEMA}.alembic_version')")
_REVISION = text(f"select version_num from {SCHEMA}.alembic_version")
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
    """The database has another schema than this version of PhotoChanger needs."""

    code = "schema_outdated"


def migrate(url: str, *, to: str = HEAD) -> None:
    """Upgrade the schema to this revision; waits for other processes that migrate. Nothing to do where it is there.

    SchemaOutdated where the schema is that of a newer version, DatabaseRefused, DatabaseUnavailable.
    """
    try:
        engine = create_engine("postgresql+psycopg://", poolclass=NullPool, creator=lambda: connect_now(url))
        with engine.connect() as connection:
            facts = connection.execute(_FACTS).one()
            _require_fit(facts, creates=False)
            connection.commit()
            # Polled: a session that waits holds a snapshot, and an index that is built concurrently waits for those.
            while not connection.scalar(text("select pg_try_advisory_lock(:lock)"), {"lock": _LOCK}):
                connection.commit()
                time.sleep(_LOCK_PAUSE_SECONDS)
            connection.commit()
            try:
                current = connection.scalar(_HAS_REVISION) and connection.scalar(_REVISION)
                if current and current not in REVISIONS:
                    raise SchemaOutdated(f"The database has the schema {current}; this version needs {HEAD}.")
                if current != to:
                    _require_fit(facts, creates=True)
                    if not connection.scalar(_HAS_SCHEMA):  # creating it needs a right that its owner may lack
                        connection.execute(text(f"create schema if not exists {SCHEMA}"))
                    connection.commit()
                    _upgrade(connection, to)
                    connection.commit()
            finally:
                if not connection.invalidated:
                    connection.rollback()
                    connection.execute(text("select pg_advisory_unlock(:lock)"), {"lock": _LOCK})
                    connection.commit()
    except (psycopg.Error, DBAPIError, OSError) as error:
        if not is_outage(error) and not is_refusal(error):
            raise
        raise outage_of(error) from error


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
    """Return if the schema is this version's; SchemaOutdated, QueueUnavailable."""
    async with database.begin() as connection:
        current = await connection.scalar(_HAS_REVISION) and await connection.scalar(_REVISION)
    if current != HEAD:
        raise SchemaOutdated(f"The database schema is {current or 'missing'}; this version needs {HEAD}.")


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


def _upgrade(connection: Connection, revision: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    options: dict[str, Any] = {"script_location": str(_MIGRATIONS), "path_separator": "os"}
    for name, value in options.items():
        config.set_main_option(name, value.replace("%", "%%"))
    command.upgrade(config, revision)
