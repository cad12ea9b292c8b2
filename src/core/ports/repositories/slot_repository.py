"""The stored slots and their template pictures."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol
from uuid import UUID

from ...domain.audit import AuditEntry
from ...domain.costs.budgets import SlotBudget
from ...domain.media import MediaKey, TemplateMedia
from ...domain.settings import StoredPassword
from ...domain.slots.slot import Slot


class SlotRepository(Protocol):
    """The slots of the installation, up to a thousand."""

    async def get(self, slot_id: str) -> Slot:
        """The slot; SlotNotFound."""
        ...

    async def all(self) -> list[Slot]:
        """Every slot, by number."""
        ...

    async def budgets(self) -> dict[str, SlotBudget]:
        """The budgets of the slots that have one, by the slot's id."""
        ...

    async def add_missing(self, slots: Collection[Slot]) -> None:
        """Store the slots whose id does not exist yet; keep the others unchanged."""
        ...

    async def save(self, slot: Slot, *, expected_version: int, audit: AuditEntry | None = None) -> Slot | None:
        """Replace the slot if it still has this version; returns it with the next version and `updated_at` set.

        `stats_reset_at` stays what it was. None where the version differs. SlotNotFound; TemplateNotFound where a
        template that it binds does not exist.
        """
        ...

    async def replace_ingest_password(self, slot_id: str, password: StoredPassword, *, expected_hash: str) -> bool:
        """Replace the slot's ingest password if the stored hash is still this one; its version stays.

        False, and nothing changes, where the hash differs or the slot does not exist.
        """
        ...

    async def reset_stats(self, slot_id: str, *, at: datetime, audit: AuditEntry | None = None) -> None:
        """Set the time from which the slot's statistics count; its version stays. SlotNotFound."""
        ...


class TemplateRepository(Protocol):
    """Template media and their bindings to slots, which are the bindings that `SlotRepository` reads and writes."""

    async def add(self, template: TemplateMedia, *, audit: AuditEntry | None = None) -> None: ...

    async def add_bound(
        self, template: TemplateMedia, *, slot_id: str, setting_key: str, audit: AuditEntry | None = None
    ) -> None:
        """Add a template and bind it, both or neither; the slot gets its next version. SlotNotFound, BindingTaken."""
        ...

    async def add_replacing(
        self, template: TemplateMedia, *, slot_id: str, setting_key: str, audit: AuditEntry | None = None
    ) -> None:
        """Add a template and bind it in place of the one bound there, if any, which is kept. SlotNotFound."""
        ...

    async def get(self, template_id: UUID) -> TemplateMedia | None: ...

    async def find(
        self, *, slot_id: str | None = None, setting_key: str | None = None
    ) -> list[tuple[TemplateMedia, tuple[tuple[str, str], ...]]]:
        """The templates, newest first, each with all its bindings as pairs of slot id and setting key, sorted.

        With `slot_id` or `setting_key` only those with a matching binding.
        """
        ...

    async def remove(
        self, template_id: UUID, *, except_binding: tuple[str, str] | None = None, audit: AuditEntry | None = None
    ) -> TemplateMedia:
        """Remove the record of a template that no slot is bound to, or only by `except_binding` (slot id, setting key).

        That binding goes with it, and its slot gets its next version. Its files are recorded as begun, in the same
        transaction: they are deleted afterwards. TemplateNotFound; TemplateInUse also while a live job uses it.
        """
        ...

    async def remove_bound(self, template_id: UUID, *, audit: AuditEntry | None = None) -> TemplateMedia:
        """Remove the record and its bindings; each slot that was bound to it gets its next version. Its files are
        recorded as begun, as by `remove`. TemplateNotFound."""
        ...

    async def in_use(self, keys: Collection[MediaKey]) -> set[MediaKey]:
        """The keys among these that belong to a template: its file, and its thumbnail (same name, `.webp`)."""
        ...
