"""The SigningKeyRepository port on PostgreSQL. A unique index lets at most one key be the one that is signed with."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import insert

from ...core.domain.audit import AuditEntry
from ...core.ports.secrets import SigningKey
from .audit import write_audit
from .database import Database
from .schema import signing_keys

_LOCK = text("select pg_advisory_xact_lock(5093200006)")
"""Held by who changes which key is signed with, so that of two at once the second retires the first one's."""


class PostgresSigningKeyRepository:
    """A handful of rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[SigningKey]:
        query = select(signing_keys).order_by(signing_keys.c.created_at.desc(), signing_keys.c.id.desc())
        async with self._database.begin() as connection:
            return [SigningKey(**row) for row in (await connection.execute(query)).mappings()]

    async def add_first(self, key: SigningKey) -> None:
        change = insert(signing_keys).values(msgspec.structs.asdict(key)).on_conflict_do_nothing()
        async with self._database.begin() as connection:
            await connection.execute(_LOCK)
            await connection.execute(change)

    async def rotate(self, key: SigningKey, *, audit: AuditEntry | None = None) -> None:
        retire = update(signing_keys).where(signing_keys.c.retired_at.is_(None)).values(retired_at=key.created_at)
        async with self._database.begin() as connection:
            await connection.execute(_LOCK)
            await connection.execute(retire)
            await connection.execute(insert(signing_keys).values(msgspec.structs.asdict(key)))
            await write_audit(connection, audit)

    async def remove(self, key_ids: Collection[str]) -> None:
        async with self._database.begin() as connection:
            await connection.execute(delete(signing_keys).where(signing_keys.c.id.in_(key_ids)))
