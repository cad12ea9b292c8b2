"""The AuditLog port on PostgreSQL, and the statement that writes the entry of an audited change."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import msgspec
from sqlalchemy import delete, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from ...core.domain.audit import AuditAction, AuditEntry
from ...core.domain.pagination import Page, Position
from ...core.domain.stored_values import from_row
from .confirmation import note_entry
from .database import Database
from .schema import audit_log


async def write_audit(connection: AsyncConnection, entry: AuditEntry | None) -> None:
    """Write an entry, if any, in the transaction of the change that it records."""
    if entry is not None:
        await connection.execute(insert(audit_log).values(msgspec.structs.asdict(entry)))
        note_entry(connection, entry.id)


class PostgresAuditLog:
    """Rows of `audit_log`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, entry: AuditEntry) -> None:
        async with self._database.begin() as connection:
            await write_audit(connection, entry)

    async def find(
        self,
        *,
        limit: int,
        action: str | None = None,
        actor: str | None = None,
        target: str | None = None,
        after: Position | None = None,
    ) -> Page[AuditEntry]:
        query = select(audit_log).order_by(audit_log.c.at.desc(), audit_log.c.id.desc()).limit(limit + 1)
        wanted = {audit_log.c.action: action, audit_log.c.actor: actor, audit_log.c.target: target}
        query = query.where(*(column == value for column, value in wanted.items() if value is not None))
        if after is not None:
            query = query.where(tuple_(audit_log.c.at, audit_log.c.id) < (after.at, after.id))
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).mappings().all()
        entries = tuple(AuditEntry(**{**row, "action": from_row(AuditAction, row["action"])}) for row in rows[:limit])
        return Page(entries, Position(entries[-1].at, entries[-1].id) if len(rows) > limit else None)

    async def prune(self, *, before: datetime, limit: int, actions: Collection[AuditAction] | None = None) -> int:
        old = select(audit_log.c.id).where(audit_log.c.at < before).limit(limit)
        if actions is not None:
            old = old.where(audit_log.c.action.in_(actions))
        async with self._database.begin() as connection:
            return (await connection.execute(delete(audit_log).where(audit_log.c.id.in_(old)))).rowcount
