"""The AdminRepository port on PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from ....core.domain.accounts import Admin, Permission
from ....core.domain.audit import AuditEntry
from ....core.domain.errors import AdminExists
from ....core.domain.stored_values import from_row
from ....core.ports.accounts import AdminEdit
from ..audit import write_audit
from ..database import Database
from ..schema import admins

_LOCK = text("select pg_advisory_xact_lock(5093200005)")
"""Serializes additions and changes of administrators, so that each sees the result of the one before."""


class PostgresAdminRepository:
    """Rows of `admins`, always read all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[Admin]:
        async with self._database.begin() as connection:
            rows = (await connection.execute(select(admins).order_by(admins.c.username.collate("C")))).mappings()
            return [_admin(row) for row in rows]

    async def add(self, admin: Admin, *, audit: AuditEntry | None = None) -> None:
        change = insert(admins).values(_row(admin)).on_conflict_do_nothing().returning(admins.c.username)
        async with self._database.begin() as connection:
            await connection.execute(_LOCK)
            if await connection.scalar(change) is None:
                raise AdminExists(f"The administrator {admin.username} already exists.")
            await write_audit(connection, audit)

    async def add_first(self, admin: Admin, *, audit: AuditEntry | None = None) -> bool:
        async with self._database.begin() as connection:
            await connection.execute(_LOCK)
            if await connection.scalar(select(func.count()).select_from(admins)):
                return False
            await connection.execute(insert(admins).values(_row(admin)))
            await write_audit(connection, audit)
            return True

    async def change(self, edit: AdminEdit) -> None:
        # Row locks in addition to _LOCK, against a concurrent `renew_hash`.
        everyone = select(admins).with_for_update()
        async with self._database.begin() as connection:
            await connection.execute(_LOCK)
            found = [_admin(row) for row in (await connection.execute(everyone)).mappings()]
            edited = edit({admin.username: admin for admin in found})
            if edited is None:
                return
            admin, entries = edited
            await connection.execute(update(admins).where(admins.c.username == admin.username).values(_row(admin)))
            for entry in entries:
                await write_audit(connection, entry)

    async def note_login(self, username: str, *, at: datetime, audit: AuditEntry) -> None:
        # greatest() ignores nulls.
        latest = func.greatest(admins.c.last_login_at, at)
        change = update(admins).where(admins.c.username == username).values(last_login_at=latest)
        async with self._database.begin() as connection:
            await connection.execute(change)
            await write_audit(connection, audit)

    async def renew_hash(self, username: str, *, hash: str, digest: str | None, expected_hash: str) -> bool:
        same = (admins.c.username == username, admins.c.password_hash == expected_hash)
        change = update(admins).where(*same).values(password_hash=hash, password_digest=digest)
        async with self._database.begin() as connection:
            return (await connection.execute(change)).rowcount == 1


def _row(admin: Admin) -> dict[str, Any]:
    return msgspec.structs.asdict(admin) | {"permissions": [str(permission) for permission in admin.permissions]}


def _admin(row: Any) -> Admin:
    return Admin(**{**row, "permissions": tuple(from_row(Permission, name) for name in row["permissions"])})
