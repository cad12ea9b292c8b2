"""The SecretKeyRecord port on PostgreSQL: the one row of `secret_key`."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from ....core.domain.audit import AuditEntry
from ..audit import write_audit
from ..database import Database
from ..schema import secret_key


class PostgresSecretKeyRecord:
    """The fingerprint in the database that the hosts share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def fingerprint(self) -> str | None:
        async with self._database.begin() as connection:
            found: str | None = await connection.scalar(select(secret_key.c.fingerprint))
        return found

    async def add_first(self, fingerprint: str) -> str:
        async with self._database.begin() as connection:
            await connection.execute(insert(secret_key).values(fingerprint=fingerprint).on_conflict_do_nothing())
            # A statement of its own: only that one sees the row of another host that was first.
            stored: str = (await connection.execute(select(secret_key.c.fingerprint))).scalar_one()
        return stored

    async def replace(self, fingerprint: str, *, audit: AuditEntry) -> None:
        change = insert(secret_key).values(fingerprint=fingerprint)
        change = change.on_conflict_do_update(
            index_elements=[secret_key.c.one_row], set_={"fingerprint": change.excluded.fingerprint}
        )
        async with self._database.begin() as connection:
            await connection.execute(change)
            await write_audit(connection, audit)
