"""The settings that administrators change at run time."""

from __future__ import annotations

from typing import Protocol

from ..domain.audit import AuditEntry
from ..domain.settings import StoredPassword, StoredSettings


class SettingsRepository(Protocol):
    """Settings that an administrator changed, and the ingest password's hash."""

    async def get(self) -> StoredSettings: ...

    async def save(
        self, settings: StoredSettings, *, expected_version: int, audit: AuditEntry | None = None
    ) -> StoredSettings | None:
        """Replace the settings if they still have this version; returns them with the next one. None where it
        differs."""
        ...

    async def ingest_password(self) -> StoredPassword | None: ...

    async def set_ingest_password(self, password: StoredPassword, *, audit: AuditEntry | None = None) -> None:
        """Replace the password, whatever it was."""
        ...

    async def replace_ingest_password(self, password: StoredPassword, *, expected_hash: str) -> bool:
        """Replace the password if the stored hash is still this one; False where it is not."""
        ...

    async def add_ingest_password(self, password: StoredPassword) -> StoredPassword:
        """Set the password if there is none yet; returns the one that holds now (another process may be first)."""
        ...
