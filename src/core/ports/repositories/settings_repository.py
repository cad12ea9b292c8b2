"""The settings that administrators change at run time."""

from __future__ import annotations

from typing import Protocol

import msgspec

from ...domain.audit import AuditEntry
from ...domain.settings import StoredPassword, StoredSettings
from ..secrets import KeyChange


class SettingsUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """One change of the settings, prepared so that only storing it can fail.

    Attributes:
        settings: the whole document as it is to be; its version is ignored.
        ingest_password: the new ingest password; None keeps the stored one.
        keys: the providers' keys to store and to remove.
        audit: the entries for the document and the password; `keys` carry their own.
    """

    settings: StoredSettings
    ingest_password: StoredPassword | None = None
    keys: tuple[KeyChange, ...] = ()
    audit: tuple[AuditEntry, ...] = ()


class SettingsRepository(Protocol):
    """Settings that an administrator changed, and the ingest password's hash. Methods may raise QueueUnavailable."""

    async def get(self) -> StoredSettings: ...

    async def save(self, update: SettingsUpdate, *, expected_version: int) -> StoredSettings | None:
        """Store all of the update, with its audit entries, if the settings still have this version.

        Returns the settings with the next version; None, and stores nothing, where the version differs. Stores
        nothing either where it raises.
        """
        ...

    async def ingest_password(self) -> StoredPassword | None: ...

    async def replace_ingest_password(self, password: StoredPassword, *, expected_hash: str) -> bool:
        """Replace the password if the stored hash is still this one; False where it is not."""
        ...

    async def add_ingest_password(self, password: StoredPassword) -> StoredPassword:
        """Set the password if none is stored; returns the stored one (another process may be first)."""
        ...
