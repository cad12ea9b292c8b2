"""The IngestKeyRepository port in memory."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import msgspec

from ....core.domain.audit import AuditEntry
from ....core.domain.booths.errors import IngestKeyExists, TooManyIngestKeys
from ....core.domain.booths.ingest_key import IngestKey, KeyUse
from ..audit import MemoryAuditLog


class MemoryIngestKeyRepository:
    """Keys in a dictionary."""

    def __init__(self, audit: MemoryAuditLog | None = None) -> None:
        self._audit = audit or MemoryAuditLog()
        self._keys: dict[UUID, IngestKey] = {}

    async def all(self) -> list[IngestKey]:
        return sorted(self._keys.values(), key=lambda key: key.name)

    async def add(self, key: IngestKey, *, max_keys: int, audit: AuditEntry | None = None) -> None:
        if any(known.name == key.name for known in self._keys.values()):
            raise IngestKeyExists(f"There is an ingest key {key.name!r} already. Choose another name, or revoke it.")
        if len(self._keys) >= max_keys:
            raise TooManyIngestKeys(f"There are {max_keys} ingest keys. Revoke those that are not used.")
        self._keys[key.id] = key
        self._audit.write(audit)

    async def remove(self, key_id: UUID, *, audit: AuditEntry | None = None) -> bool:
        if self._keys.pop(key_id, None) is None:
            return False
        self._audit.write(audit)
        return True

    async def note_uses(self, uses: Mapping[UUID, KeyUse]) -> None:
        for key_id, use in uses.items():
            key = self._keys.get(key_id)
            if key is not None and (key.last_use is None or key.last_use.at < use.at):
                self._keys[key_id] = msgspec.structs.replace(key, last_use=use)
