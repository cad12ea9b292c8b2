"""The SigningKeyRepository port on PostgreSQL. A unique index allows one key that is not retired."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import delete, select, text, true, update
from sqlalchemy.dialects.postgresql import insert

from ....core.domain.audit import AuditEntry
from ....core.ports.secrets import SigningKey
from ..audit import write_audit
from ..database import Database
from ..schema import signing_keys

_LOCK = text("select pg_advisory_xact_lock(5093200006)")
"""Serializes rotations, so that of two at the same time the second retires the key of the first."""


class PostgresSigningKeyRepository:
    """Rows of `signing_keys`."""

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

    async def rotate(self, key: SigningKey, *, retired_after: datetime | None, audit: AuditEntry | None = None) -> None:
        retire = update(signing_keys).where(signing_keys.c.retired_at.is_(None)).values(retired_at=key.created_at)
        ended = true() if retired_after is None else signing_keys.c.retired_at <= retired_after
        async with self._database.begin() as connection:
            await connection.execute(_LOCK)
            await connection.execute(retire)
            await connection.execute(delete(signing_keys).where(ended))
            await connection.execute(insert(signing_keys).values(msgspec.structs.asdict(key)))
            await write_audit(connection, audit)
