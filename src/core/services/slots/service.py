"""Slots for administrators: find, validate completely, change by compare-and-set."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from ...domain.accounts import Actor
from ...domain.audit import AuditAction, audit_entry
from ...domain.errors import InvalidSettings, SlotNotFound, TemplateNotFound, VersionConflict
from ...domain.field_errors import FieldError, FieldErrorCode
from ...domain.slots.slot import Slot, changed_fields
from ...domain.validation import refuse
from ...ports.clock import Clock
from ...ports.repositories.slot_repository import SlotRepository, TemplateRepository
from ..providers.registry import ProviderRegistry
from ..support.passwords import Passwords
from .validation import Draft, broken_rules, read_document

_MAX_AUDIT_CHARS = 2000
"""Maximum length of one text in an audit entry."""


class SlotService:
    """Slots for administrators. Methods may also raise QueueUnavailable.

    A document is a slot as JSON (see `slot_document`); every write is validated completely.
    """

    def __init__(
        self,
        slots: SlotRepository,
        templates: TemplateRepository,
        providers: ProviderRegistry,
        passwords: Passwords,
        clock: Clock,
    ) -> None:
        self._slots = slots
        self._templates = templates
        self._providers = providers
        self._passwords = passwords
        self._clock = clock

    async def list(
        self, *, provider_id: str | None = None, operation_id: str | None = None, search: str | None = None
    ) -> builtins.list[Slot]:
        """The slots by ID: those with a route entry of this provider and operation, and with this text in their ID or
        name (case-insensitive)."""
        wanted = (search or "").casefold()
        return [
            slot
            for slot in await self._slots.all()
            if (wanted in slot.id.casefold() or wanted in slot.name.casefold())
            and ((provider_id, operation_id) == (None, None) or _uses(slot, provider_id, operation_id))
        ]

    async def get(self, slot_id: str) -> Slot:
        """SlotNotFound."""
        if "\0" in slot_id:  # PostgreSQL cannot compare with NUL
            raise SlotNotFound("Slot not found.")
        return await self._slots.get(slot_id)

    async def check(self, slot_id: str, document: Mapping[str, Any]) -> Slot:
        """The slot with this document applied, its ingest password unchanged; nothing is stored. SlotNotFound,
        InvalidSettings."""
        before = await self.get(slot_id)
        return (await self._checked_draft(before, document)).slot(before)

    async def put(self, slot_id: str, document: Mapping[str, Any], *, expected_version: int, by: Actor) -> Slot:
        """Store the slot; active jobs keep the configuration they started with.

        SlotNotFound, InvalidSettings (field by field), VersionConflict.
        """
        before = await self.get(slot_id)
        if before.version != expected_version:
            raise _version_conflict(slot_id)
        draft = await self._checked_draft(before, document)
        slot = draft.slot(before)
        changed = {name: _shortened([*values]) for name, values in changed_fields(before, slot).items()}
        if (password := draft.document.ingest_password) is not msgspec.UNSET:
            slot, difference = await self._with_password(slot, password, by)
            changed |= difference
        if not changed:
            return before
        audit = audit_entry(AuditAction.SLOT_CHANGED, by, now=self._clock.now(), target=slot_id, changed=changed)
        try:
            saved = await self._slots.save(slot, expected_version=expected_version, audit=audit)
        except TemplateNotFound as error:  # removed after the check
            raise InvalidSettings([FieldError("templates", FieldErrorCode.TEMPLATE_NOT_FOUND)]) from error
        if saved is None:
            raise _version_conflict(slot_id)
        return saved

    async def reset_stats(self, slot_id: str, *, by: Actor) -> None:
        """Restart the slot's statistics now; the history is kept. SlotNotFound."""
        await self.get(slot_id)
        now = self._clock.now()
        audit = audit_entry(AuditAction.STATS_RESET, by, now=now, target=slot_id)
        await self._slots.reset_stats(slot_id, at=now, audit=audit)

    async def _with_password(self, slot: Slot, password: str | None, by: Actor) -> tuple[Slot, dict[str, Any]]:
        """The slot with this ingest password (None: without one), and the difference for the audit log."""
        old = slot.ingest_password
        if password is None:
            removed = {} if old is None else {"ingest_password": ["set", None]}
            return msgspec.structs.replace(slot, ingest_password=None), removed
        new = await self._passwords.make(password, at=self._clock.now(), by=by.name)
        return msgspec.structs.replace(slot, ingest_password=new), {"ingest_password": [old and "set", "set"]}

    async def _checked_draft(self, before: Slot, document: Mapping[str, Any]) -> Draft:
        draft, errors = read_document(document)
        providers = {provider.info.id: provider for provider in self._providers.all()}
        templates = {template_id for template_id in draft.template_ids() if await self._template_exists(template_id)}
        now = self._clock.now()
        errors += broken_rules(draft, before, providers=providers, templates=templates, now=now)
        refuse(errors)
        return draft

    async def _template_exists(self, template_id: UUID) -> bool:
        return await self._templates.get(template_id) is not None


def _uses(slot: Slot, provider_id: str | None, operation_id: str | None) -> bool:
    """Whether an entry of the slot's route has this provider and this operation."""
    return any(
        provider_id in (None, entry.provider_id) and operation_id in (None, entry.operation_id)
        for entry in slot.route.entries
    )


def _shortened(value: Any) -> Any:
    """A JSON value with long texts truncated."""
    match value:
        case str():
            return value if len(value) <= _MAX_AUDIT_CHARS else value[: _MAX_AUDIT_CHARS - 1] + "…"
        case dict():
            return {name: _shortened(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_shortened(inner) for inner in value]
    return value


def _version_conflict(slot_id: str) -> VersionConflict:
    return VersionConflict(f"{slot_id} has been modified. Reload it and try again.")
