"""The SettingsRepository port in memory."""

from __future__ import annotations

import msgspec

from ...core.domain.audit import AuditEntry
from ...core.domain.settings import StoredPassword, StoredSettings
from .audit import MemoryAuditLog


class MemorySettingsRepository:
    """Settings and the ingest password's hash as attributes."""

    def __init__(self, audit: MemoryAuditLog | None = None) -> None:
        self._audit = audit or MemoryAuditLog()
        self._settings = StoredSettings()
        self._password: StoredPassword | None = None

    async def get(self) -> StoredSettings:
        return self._settings

    async def save(
        self, settings: StoredSettings, *, expected_version: int, audit: AuditEntry | None = None
    ) -> StoredSettings | None:
        if self._settings.version != expected_version:
            return None
        self._settings = msgspec.structs.replace(settings, version=expected_version + 1)
        self._audit.write(audit)
        return self._settings

    async def ingest_password(self) -> StoredPassword | None:
        return self._password

    async def set_ingest_password(self, password: StoredPassword, *, audit: AuditEntry | None = None) -> None:
        self._password = password
        self._audit.write(audit)

    async def replace_ingest_password(self, password: StoredPassword, *, expected_hash: str) -> bool:
        if self._password is None or self._password.hash != expected_hash:
            return False
        self._password = password
        return True

    async def add_ingest_password(self, password: StoredPassword) -> StoredPassword:
        if self._password is None:
            self._password = password
        return self._password
