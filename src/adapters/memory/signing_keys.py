"""The SigningKeyRepository port in memory."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from ...core.domain.audit import AuditEntry
from ...core.ports.secrets import SigningKey
from .audit import MemoryAuditLog


class MemorySigningKeyRepository:
    """Sealed keys in a dictionary."""

    def __init__(self, audit: MemoryAuditLog | None = None) -> None:
        self._audit = audit or MemoryAuditLog()
        self._keys: dict[str, SigningKey] = {}

    async def all(self) -> list[SigningKey]:
        return sorted(self._keys.values(), key=lambda key: (key.created_at, key.id), reverse=True)

    async def add_first(self, key: SigningKey) -> None:
        if all(known.retired_at is not None for known in self._keys.values()):
            self._keys[key.id] = key

    async def rotate(self, key: SigningKey, *, audit: AuditEntry | None = None) -> None:
        for known in self._keys.values():
            if known.retired_at is None:
                self._keys[known.id] = msgspec.structs.replace(known, retired_at=key.created_at)
        self._keys[key.id] = key
        self._audit.write(audit)

    async def remove(self, key_ids: Collection[str]) -> None:
        for key_id in key_ids:
            self._keys.pop(key_id, None)
