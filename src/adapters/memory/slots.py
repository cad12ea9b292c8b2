"""The SlotRepository and TemplateRepository ports in memory, over the same slots."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import msgspec

from ...core.domain.audit import AuditEntry
from ...core.domain.costs.budgets import SlotBudget
from ...core.domain.errors import BindingTaken, SlotNotFound, TemplateNotFound, template_bound, template_under_way
from ...core.domain.job import Job
from ...core.domain.media import MediaKey, MediaKind, TemplateMedia, template_keys
from ...core.domain.settings import StoredPassword
from ...core.domain.slots.slot import Route, Slot, TemplateBinding, slot_order
from ...core.ports.clock import Clock
from .audit import MemoryAuditLog
from .begun_files import MemoryBegunFiles
from .database import MemoryDatabase


class MemorySlotRepository:
    """Slots in a dictionary; empty until `add_missing` fills it."""

    def __init__(self, clock: Clock, audit: MemoryAuditLog | None = None) -> None:
        self.audit = audit or MemoryAuditLog()
        self.templates: dict[str, TemplateMedia] = {}
        self._clock = clock
        self._slots: dict[str, Slot] = {}

    async def get(self, slot_id: str) -> Slot:
        try:
            return self._slots[slot_id]
        except KeyError:
            raise SlotNotFound(f"There is no slot {slot_id[:40]!r}.") from None

    async def all(self) -> list[Slot]:
        return [self._slots[slot_id] for slot_id in sorted(self._slots, key=slot_order)]

    async def budgets(self) -> dict[str, SlotBudget]:
        return {slot.id: slot.budget for slot in await self.all() if slot.budget is not None}

    async def add_missing(self, slots: Collection[Slot]) -> None:
        for slot in slots:
            self._slots.setdefault(slot.id, _sorted(slot))

    async def save(self, slot: Slot, *, expected_version: int, audit: AuditEntry | None = None) -> Slot | None:
        if (await self.get(slot.id)).version != expected_version:
            return None
        for binding in slot.route.templates:
            if binding.media_id not in self.templates:
                raise TemplateNotFound(f"Template {binding.media_id[:40]!r} does not exist.")
        return self.store(slot, audit)

    async def replace_ingest_password(self, slot_id: str, password: StoredPassword, *, expected_hash: str) -> bool:
        slot = self._slots.get(slot_id)
        if slot is None or slot.ingest_password is None or slot.ingest_password.hash != expected_hash:
            return False
        self._slots[slot_id] = msgspec.structs.replace(slot, ingest_password=password)
        return True

    async def reset_stats(self, slot_id: str, *, at: datetime, audit: AuditEntry | None = None) -> None:
        self._slots[slot_id] = msgspec.structs.replace(await self.get(slot_id), stats_reset_at=at)
        self.audit.write(audit)

    def bind(self, slot: Slot, bindings: Collection[TemplateBinding]) -> Slot:
        """The slot with these bindings, stored as its next version."""
        route = msgspec.structs.replace(slot.route, templates=tuple(bindings))
        return self.store(msgspec.structs.replace(slot, route=route))

    def store(self, slot: Slot, audit: AuditEntry | None = None) -> Slot:
        """The slot, stored as its next version."""
        now = self._slots[slot.id]
        saved = msgspec.structs.replace(
            _sorted(slot),
            version=now.version + 1,
            updated_at=self._clock.now(),
            stats_reset_at=now.stats_reset_at,
        )
        self._slots[slot.id] = saved
        self.audit.write(audit)
        return saved


class MemoryTemplateRepository:
    """Templates in a dictionary, bound in the slots of the SlotRepository."""

    def __init__(self, slots: MemorySlotRepository, database: MemoryDatabase, begun: MemoryBegunFiles) -> None:
        self._slots = slots
        self._database = database
        self._begun = begun

    async def add(self, template: TemplateMedia, *, audit: AuditEntry | None = None) -> None:
        self._slots.templates[str(template.id)] = template
        self._slots.audit.write(audit)

    async def add_bound(
        self, template: TemplateMedia, *, slot_id: str, setting_key: str, audit: AuditEntry | None = None
    ) -> None:
        slot = await self._slots.get(slot_id)
        if any(binding.setting_key == setting_key for binding in slot.route.templates):
            raise BindingTaken(f"The slot {slot_id} already has a template {setting_key}.")
        await self.add_replacing(template, slot_id=slot_id, setting_key=setting_key, audit=audit)

    async def add_replacing(
        self, template: TemplateMedia, *, slot_id: str, setting_key: str, audit: AuditEntry | None = None
    ) -> None:
        slot = await self._slots.get(slot_id)
        await self.add(template, audit=audit)
        others = [binding for binding in slot.route.templates if binding.setting_key != setting_key]
        self._slots.bind(slot, [*others, TemplateBinding(setting_key, str(template.id))])

    async def get(self, template_id: UUID) -> TemplateMedia | None:
        return self._slots.templates.get(str(template_id))

    async def find(
        self, *, slot_id: str | None = None, setting_key: str | None = None
    ) -> list[tuple[TemplateMedia, tuple[tuple[str, str], ...]]]:
        newest_first = sorted(
            self._slots.templates.values(), key=lambda template: (template.created_at, template.id), reverse=True
        )
        found = [(template, await self._bindings(template.id)) for template in newest_first]
        if slot_id is None and setting_key is None:
            return found
        return [
            (template, bindings)
            for template, bindings in found
            if any(slot_id in (None, slot) and setting_key in (None, key) for slot, key in bindings)
        ]

    async def remove(
        self, template_id: UUID, *, except_binding: tuple[str, str] | None = None, audit: AuditEntry | None = None
    ) -> TemplateMedia:
        used = sorted({slot for slot, key in await self._bindings(template_id) if (slot, key) != except_binding})
        if used:
            raise template_bound(used)
        if live := sorted({job.slot_id for job in self._live_jobs() if str(template_id) in _media_ids(job.route)}):
            raise template_under_way(live)
        return await self.remove_bound(template_id, audit=audit)

    async def remove_bound(self, template_id: UUID, *, audit: AuditEntry | None = None) -> TemplateMedia:
        template = self._slots.templates.pop(str(template_id), None)
        if template is None:
            raise TemplateNotFound("This template does not exist.")
        for slot_id in {slot for slot, _ in await self._bindings(template_id)}:
            slot = await self._slots.get(slot_id)
            self._slots.bind(slot, [kept for kept in slot.route.templates if kept.media_id != str(template_id)])
        await self._begun.add(template_keys(template_id), now=self._database.clock.now())
        self._slots.audit.write(audit)
        return template

    async def in_use(self, keys: Collection[MediaKey]) -> set[MediaKey]:
        return {
            key
            for key in keys
            if key.kind is MediaKind.TEMPLATES and key.name.removesuffix(".webp") in self._slots.templates
        }

    def _live_jobs(self) -> list[Job]:
        return [job for job in self._database.jobs.values() if job.finalized_at is None]

    async def _bindings(self, template_id: UUID) -> tuple[tuple[str, str], ...]:
        return tuple(
            (slot.id, binding.setting_key)
            for slot in await self._slots.all()
            for binding in slot.route.templates
            if binding.media_id == str(template_id)
        )


def _media_ids(route: Route) -> set[str]:
    """The templates of a route."""
    return {binding.media_id for binding in route.templates}


def _sorted(slot: Slot) -> Slot:
    """The slot with its bindings by key."""
    bindings = tuple(sorted(slot.route.templates, key=lambda binding: binding.setting_key))
    return msgspec.structs.replace(slot, route=msgspec.structs.replace(slot.route, templates=bindings))
