"""The SettingsRepository port on PostgreSQL: one row holds the document, its version and the ingest password."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row
from sqlalchemy import cast
from sqlalchemy import update as update_row
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from ...core.domain.settings import StoredPassword, StoredSettings
from ...core.domain.stored_values import from_row
from ...core.ports.repositories.settings_repository import SettingsUpdate
from .audit import write_audit
from .database import Database
from .schema import app_settings
from .secrets import write_key

_GET_SETTINGS = "select settings, ingest_password, version from photochanger.app_settings where id = %(only)s"
_ONLY = 1


class PostgresSettingsRepository:
    """Requests wait for what is read, so reads are batched."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading = database.batcher(_get_settings)

    async def get(self) -> StoredSettings:
        row = await self._reading.call("settings")
        return from_row(_settings, row["settings"] | {"version": row["version"]})

    async def save(self, update: SettingsUpdate, *, expected_version: int) -> StoredSettings | None:
        stored = msgspec.to_builtins(update.settings)
        del stored["version"]
        # Settings of a newer version stay as they are.
        values: dict[str, Any] = {
            "settings": app_settings.c.settings.op("||")(cast(stored, JSONB)),
            "version": expected_version + 1,
        }
        if update.ingest_password is not None:
            values["ingest_password"] = msgspec.to_builtins(update.ingest_password)
        async with self._database.begin() as connection:
            if not await _change(connection, app_settings.c.version == expected_version, **values):
                return None
            for change in update.keys:
                await write_key(connection, change)
            for entry in update.audit:
                await write_audit(connection, entry)
        return msgspec.structs.replace(update.settings, version=expected_version + 1)

    async def ingest_password(self) -> StoredPassword | None:
        row = await self._reading.call("ingest_password")
        return msgspec.convert(row["ingest_password"], StoredPassword | None)

    async def replace_ingest_password(self, password: StoredPassword, *, expected_hash: str) -> bool:
        same = app_settings.c.ingest_password["hash"].astext == expected_hash
        async with self._database.begin() as connection:
            return await _change(connection, same, ingest_password=msgspec.to_builtins(password))

    async def add_ingest_password(self, password: StoredPassword) -> StoredPassword:
        none_yet = app_settings.c.ingest_password.is_(None)
        async with self._database.begin() as connection:
            await _change(connection, none_yet, ingest_password=msgspec.to_builtins(password))
        return await self.ingest_password() or password


def _settings(document: Any) -> StoredSettings:
    return msgspec.convert(document, StoredSettings)


async def _change(connection: AsyncConnection, condition: Any, **values: Any) -> bool:
    """Change the row if the condition holds; whether it did."""
    change = update_row(app_settings).where(app_settings.c.id == _ONLY, condition).values(values)
    return (await connection.execute(change)).rowcount == 1


async def _get_settings(connection: psycopg.AsyncConnection[Any], batch: Sequence[str]) -> list[Any]:
    """The one row, for each caller."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_GET_SETTINGS, {"only": _ONLY})
        row = await cursor.fetchone()
    assert row is not None, "the migration inserts the row"
    return [row] * len(batch)
