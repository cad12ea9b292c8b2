"""The SigningKeyRepository port in memory."""

from __future__ import annotations

from datetime import datetime

import msgspec

from ....core.domain.audit import AuditEntry
from ....core.ports.secrets import SigningKey
from ..audit import MemoryAuditLog


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

    async def rotate(self, key: SigningKey, *, retired_after: datetime | None, audit: AuditEntry | None = None) -> None:
        retired = [
            msgspec.structs.replace(known, retired_at=known.retired_at or key.created_at)
            for known in self._keys.values()
        ]
        kept = [known for known in retired if retired_after and known.retired_at and known.retired_at > retired_after]
        self._keys = {known.id: known for known in (*kept, key)}
        self._audit.write(audit)
