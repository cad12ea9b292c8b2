"""The SecretRepository port on PostgreSQL. Keys arrive sealed: the database never receives one in clear text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from ...core.ports.secrets import KeyChange, SecretState, StoredSecret
from .audit import write_audit
from .database import Database
from .schema import provider_secrets

_GET = """
select provider_id, sealed, changed_at, changed_by from photochanger.provider_secrets where provider_id = any(%(ids)s)
"""


class PostgresSecretRepository:
    """Rows of `provider_secrets`. Provider calls wait for their key, so reads are batched."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading = database.batcher(_get_batch)

    async def get(self, provider_id: str) -> StoredSecret | None:
        found: StoredSecret | None = await self._reading.call(provider_id)
        return found

    async def states(self) -> list[SecretState]:
        table = provider_secrets.c
        query = select(table.provider_id, table.changed_at, table.changed_by).order_by(table.provider_id.collate("C"))
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [SecretState(**row) for row in rows]

    async def change(self, change: KeyChange) -> bool:
        async with self._database.begin() as connection:
            return await write_key(connection, change)


async def write_key(connection: AsyncConnection, change: KeyChange) -> bool:
    """Store or remove a key with its audit entry, in the caller's transaction; False where there was none to remove."""
    if change.secret is None:
        removal = delete(provider_secrets).where(provider_secrets.c.provider_id == change.provider_id)
        if (await connection.execute(removal)).rowcount == 0:
            return False
    else:
        values = msgspec.structs.asdict(change.secret)
        key = upsert(provider_secrets).values(values)
        key = key.on_conflict_do_update(index_elements=[provider_secrets.c.provider_id], set_=values)
        await connection.execute(key)
    await write_audit(connection, change.audit)
    return True


async def _get_batch(connection: psycopg.AsyncConnection[Any], batch: Sequence[str]) -> list[StoredSecret | None]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_GET, {"ids": [*{*batch}]})
        found = {row["provider_id"]: StoredSecret(**row) for row in await cursor.fetchall()}
    return [found.get(provider_id) for provider_id in batch]
