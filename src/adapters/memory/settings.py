"""The SettingsRepository port in memory."""

from __future__ import annotations

import msgspec

from ...core.domain.settings import StoredPassword, StoredSettings
from ...core.ports.repositories.settings_repository import SettingsUpdate
from .audit import MemoryAuditLog
from .secrets import MemorySecretRepository


class MemorySettingsRepository:
    """Settings and the ingest password's hash as attributes."""

    def __init__(self, audit: MemoryAuditLog, secrets: MemorySecretRepository) -> None:
        self._audit = audit
        self._secrets = secrets
        self._settings = StoredSettings()
        self._password: StoredPassword | None = None

    async def get(self) -> StoredSettings:
        return self._settings

    async def save(self, update: SettingsUpdate, *, expected_version: int) -> StoredSettings | None:
        if self._settings.version != expected_version:
            return None
        self._settings = msgspec.structs.replace(update.settings, version=expected_version + 1)
        self._password = update.ingest_password or self._password
        for change in update.keys:
            self._secrets.write(change)
        for entry in update.audit:
            self._audit.write(entry)
        return self._settings

    async def ingest_password(self) -> StoredPassword | None:
        return self._password

    async def replace_ingest_password(self, password: StoredPassword, *, expected_hash: str) -> bool:
        if self._password is None or self._password.hash != expected_hash:
            return False
        self._password = password
        return True

    async def add_ingest_password(self, password: StoredPassword) -> StoredPassword:
        if self._password is None:
            self._password = password
        return self._password
