"""The AdminRepository port in memory."""

from __future__ import annotations

from datetime import datetime

import msgspec

from ....core.domain.accounts import Admin
from ....core.domain.audit import AuditEntry
from ....core.domain.errors import AdminExists
from ....core.ports.accounts import AdminEdit
from ..audit import MemoryAuditLog


class MemoryAdminRepository:
    """Administrators in a dictionary."""

    def __init__(self, audit: MemoryAuditLog | None = None) -> None:
        self._audit = audit or MemoryAuditLog()
        self._admins: dict[str, Admin] = {}

    async def all(self) -> list[Admin]:
        return [self._admins[username] for username in sorted(self._admins)]

    async def add(self, admin: Admin, *, audit: AuditEntry | None = None) -> None:
        if admin.username in self._admins:
            raise AdminExists(f"The administrator {admin.username} already exists.")
        self._admins[admin.username] = admin
        self._audit.write(audit)

    async def add_first(self, admin: Admin, *, audit: AuditEntry | None = None) -> bool:
        if self._admins:
            return False
        await self.add(admin, audit=audit)
        return True

    async def change(self, edit: AdminEdit) -> None:
        edited = edit(dict(self._admins))
        if edited is not None:
            admin, entries = edited
            self._admins[admin.username] = admin
            for entry in entries:
                self._audit.write(entry)

    async def note_login(self, username: str, *, at: datetime, audit: AuditEntry) -> None:
        admin = self._admins.get(username)
        if admin is not None and (admin.last_login_at is None or admin.last_login_at < at):
            self._admins[username] = msgspec.structs.replace(admin, last_login_at=at)
        self._audit.write(audit)

    async def renew_hash(self, username: str, *, hash: str, digest: str | None, expected_hash: str) -> bool:
        admin = self._admins.get(username)
        if admin is None or admin.password_hash != expected_hash:
            return False
        self._admins[username] = msgspec.structs.replace(admin, password_hash=hash, password_digest=digest)
        return True
