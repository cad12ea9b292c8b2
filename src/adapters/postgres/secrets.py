"""The SecretRepository port on PostgreSQL. What is stored is sealed already: the database never sees a key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as upsert

from ...core.domain.audit import AuditEntry
from ...core.ports.secrets import SecretState, StoredSecret
from .audit import write_audit
from .database import Database
from .schema import provider_secrets

_GET = "select * from photochanger.provider_secrets where provider_id = any(%(ids)s)"


class PostgresSecretRepository:
    """Provider calls wait for the reading of their key, so that has a lane."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading = database.lane(_get_batch)

    async def get(self, provider_id: str) -> StoredSecret | None:
        found: StoredSecret | None = await self._reading.call(provider_id)
        return found

    async def states(self) -> list[SecretState]:
        table = provider_secrets.c
        query = select(table.provider_id, table.changed_at, table.changed_by).order_by(table.provider_id.collate("C"))
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [SecretState(**row) for row in rows]

    async def put(self, secret: StoredSecret, *, audit: AuditEntry | None = None) -> None:
        values = msgspec.structs.asdict(secret)
        change = upsert(provider_secrets).values(values)
        change = change.on_conflict_do_update(index_elements=[provider_secrets.c.provider_id], set_=values)
        async with self._database.begin() as connection:
            await connection.execute(change)
            await write_audit(connection, audit)

    async def remove(self, provider_id: str, *, audit: AuditEntry | None = None) -> bool:
        change = delete(provider_secrets).where(provider_secrets.c.provider_id == provider_id)
        async with self._database.begin() as connection:
            if (await connection.execute(change)).rowcount == 0:
                return False
            await write_audit(connection, audit)
            return True


async def _get_batch(connection: psycopg.AsyncConnection[Any], batch: Sequence[str]) -> list[StoredSecret | None]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_GET, {"ids": [*{*batch}]})
        found = {row["provider_id"]: StoredSecret(**row) for row in await cursor.fetchall()}
    return [found.get(provider_id) for provider_id in batch]
