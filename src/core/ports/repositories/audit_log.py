"""The append-only record of administrators' changes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from ...domain.audit import AuditAction, AuditEntry
from ...domain.pagination import Page, Position


class AuditLog(Protocol):
    """Security events, append-only. The entry of a change is written with the change, by its repository."""

    async def append(self, entry: AuditEntry) -> None: ...

    async def find(
        self,
        *,
        limit: int,
        action: str | None = None,
        actor: str | None = None,
        target: str | None = None,
        after: Position | None = None,
    ) -> Page[AuditEntry]:
        """A page of entries, newest first (by `at`, then id), beginning after this position."""
        ...

    async def prune(self, *, before: datetime, limit: int, actions: Collection[AuditAction] | None = None) -> int:
        """Delete up to `limit` entries (of these actions; None: of all) from before a moment; returns how many."""
        ...
