"""The AuditLog port in memory."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from ...core.domain.audit import AuditAction, AuditEntry
from ...core.domain.pagination import Page, Position


class MemoryAuditLog:
    """Entries in a list."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    def write(self, entry: AuditEntry | None) -> None:
        """Append an entry, if any, with the change that it records."""
        if entry is not None:
            self.entries.append(entry)

    async def append(self, entry: AuditEntry) -> None:
        self.write(entry)

    async def find(
        self,
        *,
        limit: int,
        action: str | None = None,
        actor: str | None = None,
        target: str | None = None,
        after: Position | None = None,
    ) -> Page[AuditEntry]:
        found = sorted(
            (
                entry
                for entry in self.entries
                if action in (None, entry.action)
                and actor in (None, entry.actor)
                and target in (None, entry.target)
                and (after is None or (entry.at, entry.id) < (after.at, after.id))
            ),
            key=lambda entry: (entry.at, entry.id),
            reverse=True,
        )
        page = tuple(found[:limit])
        return Page(page, Position(page[-1].at, page[-1].id) if len(found) > limit else None)

    async def prune(self, *, before: datetime, limit: int, actions: Collection[AuditAction] | None = None) -> int:
        old = [entry for entry in self.entries if entry.at < before and (actions is None or entry.action in actions)][
            :limit
        ]
        for entry in old:
            self.entries.remove(entry)
        return len(old)
