"""The port to the ingest keys of booths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

from ...domain.audit import AuditEntry
from ...domain.booths.ingest_key import IngestKey, KeyUse


class IngestKeyRepository(Protocol):
    """The ingest keys. Every method may raise QueueUnavailable. Audit entries are written with the change."""

    async def all(self) -> list[IngestKey]:
        """Return the keys by name."""
        ...

    async def add(self, key: IngestKey, *, max_keys: int, audit: AuditEntry | None = None) -> None:
        """Store a new key. IngestKeyExists if the name is taken, TooManyIngestKeys if there are `max_keys`."""
        ...

    async def remove(self, key_id: UUID, *, audit: AuditEntry | None = None) -> bool:
        """Delete a key; False, and nothing is written, if there is none."""
        ...

    async def note_uses(self, uses: Mapping[UUID, KeyUse]) -> None:
        """Store the last uses of keys, where they are later than the stored ones."""
        ...
