"""The IngestKeyRepository port on PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from ....core.domain.audit import AuditEntry
from ....core.domain.booths.errors import IngestKeyExists, TooManyIngestKeys
from ....core.domain.booths.ingest_key import IngestKey, KeyUse
from ..audit import write_audit
from ..database import Database
from ..schema import ingest_keys as table

_LOCK = text("select pg_advisory_xact_lock(5093200011)")
"""Serializes additions, so that their number stays within its bound."""


class PostgresIngestKeyRepository:
    """Rows of `ingest_keys`, always read all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[IngestKey]:
        async with self._database.begin() as connection:
            rows = (await connection.execute(select(table).order_by(table.c.name.collate("C")))).mappings()
            return [_key(row) for row in rows]

    async def add(self, key: IngestKey, *, max_keys: int, audit: AuditEntry | None = None) -> None:
        row = {name: getattr(key, name) for name in ("id", "name", "digest", "created_at", "created_by")}
        change = insert(table).values(row).on_conflict_do_nothing(index_elements=[table.c.name]).returning(table.c.id)
        async with self._database.begin() as connection:
            await connection.execute(_LOCK)
            full = (await connection.execute(select(func.count()).select_from(table))).scalar_one() >= max_keys
            if await connection.scalar(change) is None:
                detail = f"There is an ingest key {key.name!r} already. Choose another name, or revoke it."
                raise IngestKeyExists(detail)
            if full:
                raise TooManyIngestKeys(f"There are {max_keys} ingest keys. Revoke those that are not used.")
            await write_audit(connection, audit)

    async def remove(self, key_id: UUID, *, audit: AuditEntry | None = None) -> bool:
        async with self._database.begin() as connection:
            if (await connection.execute(delete(table).where(table.c.id == key_id))).rowcount != 1:
                return False
            await write_audit(connection, audit)
        return True

    async def note_uses(self, uses: Mapping[UUID, KeyUse]) -> None:
        if not uses:
            return
        change = (
            update(table)
            .where(table.c.id == bindparam("key_id"))
            .where(or_(table.c.used_at.is_(None), table.c.used_at < bindparam("at")))
            .values(used_at=bindparam("at"), used_slot_id=bindparam("slot"), used_address=bindparam("address"))
        )
        # In the order of their ids, so that two processes cannot deadlock.
        rows = [
            {"key_id": key_id, "at": use.at, "slot": use.slot_id, "address": use.address}
            for key_id, use in sorted(uses.items())
        ]
        async with self._database.begin() as connection:
            await connection.execute(change, rows)


def _key(row: Any) -> IngestKey:
    use = None
    if row["used_at"] is not None:
        use = KeyUse(at=row["used_at"], slot_id=row["used_slot_id"], address=row["used_address"])
    return IngestKey(
        id=row["id"],
        name=row["name"],
        digest=row["digest"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        last_use=use,
    )
