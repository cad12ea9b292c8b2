"""The SettingsRepository port in memory."""

from __future__ import annotations

from ...core.settings import StoredPassword, StoredSettings


class MemorySettingsRepository:
    """Settings and the ingest password's hash as attributes."""

    def __init__(self) -> None:
        self._settings = StoredSettings()
        self._password: StoredPassword | None = None

    async def get(self) -> StoredSettings:
        return self._settings

    async def save(self, settings: StoredSettings) -> None:
        self._settings = settings

    async def ingest_password(self) -> StoredPassword | None:
        return self._password

    async def set_ingest_password(self, password: StoredPassword) -> None:
        self._password = password

    async def replace_ingest_password(self, password: StoredPassword, *, expected_hash: str) -> bool:
        if self._password is None or self._password.hash != expected_hash:
            return False
        self._password = password
        return True

    async def add_ingest_password(self, password: StoredPassword) -> StoredPassword:
        if self._password is None:
            self._password = password
        return self._password
