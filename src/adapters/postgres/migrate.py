"""Bringing the schema up to date, safely beside other processes that do the same at the same moment."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from ...core.domain.errors import QueueUnavailable
from .database import (
    CONNECT_TIMEOUT_SECONDS,
    Database,
    _sqlalchemy_url,
    unavailable,
)
from .schema import SCHEMA

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 5_093_200_001
"""The advisory lock that a migrating process holds; the enqueueing lock is another one."""


class SchemaOutdated(QueueUnavailable):
    """The database has another schema than this version of PhotoChanger needs."""

    code = "schema_outdated"


def migrate(url: str, *, to: str = "head") -> None:
    """Run the steps that are missing up to this revision; blocks until others are through. QueueUnavailable."""
    with unavailable():
        engine = create_engine(
            _sqlalchemy_url(url), poolclass=NullPool, connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS}
        )
        with engine.connect() as connection:
            connection.execute(text("select pg_advisory_lock(:lock)"), {"lock": _LOCK})
            connection.commit()
            try:
                connection.execute(text(f"create schema if not exists {SCHEMA}"))
                connection.commit()
                command.upgrade(_config(connection), to)
                connection.commit()
            finally:
                connection.rollback()
                connection.execute(text("select pg_advisory_unlock(:lock)"), {"lock": _LOCK})
                connection.commit()


def known_revision(revision: str) -> bool:
    """Whether this version of PhotoChanger has the steps up to this revision."""
    return any(script.revision == revision for script in ScriptDirectory(str(_MIGRATIONS)).walk_revisions())


async def require_current_schema(database: Database) -> None:
    """Return if the schema is this version's; SchemaOutdated, QueueUnavailable."""
    async with database.begin() as connection:
        known = await connection.scalar(text("select to_regclass('photochanger.alembic_version')"))
        current = known and await connection.scalar(text("select version_num from photochanger.alembic_version"))
    needed = ScriptDirectory(str(_MIGRATIONS)).get_current_head()
    if current != needed:
        raise SchemaOutdated(f"The database schema is {current or 'missing'}; this version needs {needed}.")


class PostgresDatabaseStatus:
    """The DatabaseStatus port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ping(self) -> None:
        await self._database.ping()

    async def require_current_schema(self) -> None:
        await require_current_schema(self._database)

    async def now(self) -> datetime:
        return await self._database.now()


def _config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    options: dict[str, Any] = {"script_location": str(_MIGRATIONS), "path_separator": "os"}
    for name, value in options.items():
        config.set_main_option(name, value.replace("%", "%%"))
    return config
