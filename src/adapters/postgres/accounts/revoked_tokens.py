"""The RevokedTokens port on PostgreSQL."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from ....core.domain.accounts import Revocations
from ....core.domain.audit import AuditEntry
from ..audit import write_audit
from ..database import Database
from ..schema import revoked_tokens as table


class PostgresRevokedTokens:
    """Rows of `revoked_tokens`. Their time is that of the statement: a row may become visible a little later."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def revoke(self, token_id: str, *, expires_at: datetime, audit: AuditEntry | None = None) -> bool:
        row = insert(table).values(token_id=token_id, expires_at=expires_at)
        change = row.on_conflict_do_nothing().returning(table.c.token_id)
        async with self._database.begin() as connection:
            if (await connection.execute(change)).one_or_none() is None:
                return False
            await write_audit(connection, audit)
        return True

    async def since(self, moment: datetime | None) -> Revocations:
        query = select(table.c.token_id, table.c.expires_at)
        if moment is not None:
            query = query.where(table.c.revoked_at >= moment)
        async with self._database.begin() as connection:
            as_of: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
            rows = (await connection.execute(query)).all()
        return Revocations({row.token_id: row.expires_at for row in rows}, as_of)

    async def prune(self, *, before: datetime) -> int:
        expired = select(table.c.token_id).where(table.c.expires_at < before).with_for_update(skip_locked=True)
        async with self._database.begin() as connection:
            return (await connection.execute(delete(table).where(table.c.token_id.in_(expired)))).rowcount
