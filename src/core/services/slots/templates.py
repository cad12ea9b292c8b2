"""Template media: permanent pictures of administrators, decoded on receipt, bound to slots, and removed."""

from __future__ import annotations

import builtins
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

from ...domain.accounts import Actor
from ...domain.audit import AuditAction, AuditEntry, audit_entry
from ...domain.errors import (
    BindingTaken,
    MediaNotFound,
    QueueUnavailable,
    SlotNotFound,
    StorageUnavailable,
    TemplateNotFound,
)
from ...domain.ids import new_id
from ...domain.media import ImageLimits, MediaKind, StoredFile, TemplateMedia, one_chunk, template_keys
from ...domain.validation import refuse, visible_name
from ...ports.clock import Clock
from ...ports.image_tool import ImageTool
from ...ports.media_store import MediaStore
from ...ports.repositories.slot_repository import SlotRepository, TemplateRepository
from ..media.upload import UploadReceiver
from ..providers.registry import ProviderRegistry
from ..settings.service import SettingsService
from .validation import steps_of, template_roles, unknown_role

_log = logging.getLogger("photochanger.templates")

_UNNAMED = "Template"

_Register = Callable[[TemplateMedia, AuditEntry], Awaitable[None]]


class TemplateService:
    """Permanent pictures for slots. Methods may also raise QueueUnavailable and StorageUnavailable."""

    def __init__(
        self,
        *,
        templates: TemplateRepository,
        slots: SlotRepository,
        store: MediaStore,
        images: ImageTool,
        receiving: UploadReceiver,
        providers: ProviderRegistry,
        settings: SettingsService,
        clock: Clock,
    ) -> None:
        self._templates = templates
        self._slots = slots
        self._store = store
        self._images = images
        self._receiving = receiving
        self._providers = providers
        self._settings = settings
        self._clock = clock

    async def add(self, data: AsyncIterator[bytes], *, name: str, by: Actor) -> TemplateMedia:
        """Store a picture and its thumbnail, without a binding.

        Raises PayloadTooLarge, UnsupportedMediaType, UndecodableImage, ImageTooLarge; nothing is stored then.
        """

        async def register(template: TemplateMedia, audit: AuditEntry) -> None:
            await self._templates.add(template, audit=audit)

        return await self._add(data, register, name=name, by=by)

    async def add_bound(
        self, data: AsyncIterator[bytes], *, name: str, slot_id: str, setting_key: str, by: Actor
    ) -> TemplateMedia:
        """Add and bind to a slot, both or neither. Also raises SlotNotFound, BindingTaken, and InvalidSettings if no
        entry of the slot's route uses a template with this key."""
        await self._require_role(slot_id, setting_key)
        if await self._templates.find(slot_id=slot_id, setting_key=setting_key):
            raise BindingTaken(f"{slot_id} already has a template {setting_key!r}. Replace it instead.")

        async def register(template: TemplateMedia, audit: AuditEntry) -> None:
            await self._templates.add_bound(template, slot_id=slot_id, setting_key=setting_key, audit=audit)

        return await self._add(data, register, name=name, by=by, slot_id=slot_id, setting_key=setting_key)

    async def add_replacing(
        self, data: AsyncIterator[bytes], *, name: str, slot_id: str, setting_key: str, by: Actor
    ) -> TemplateMedia:
        """Add and bind in place of the current binding; the replaced template is kept."""
        await self._require_role(slot_id, setting_key)

        async def register(template: TemplateMedia, audit: AuditEntry) -> None:
            await self._templates.add_replacing(template, slot_id=slot_id, setting_key=setting_key, audit=audit)

        return await self._add(data, register, name=name, by=by, slot_id=slot_id, setting_key=setting_key)

    async def list(
        self, *, slot_id: str | None = None, setting_key: str | None = None
    ) -> builtins.list[tuple[TemplateMedia, tuple[tuple[str, str], ...]]]:
        """The templates, newest first, each with all its bindings (slot id, setting key)."""
        return await self._templates.find(slot_id=slot_id, setting_key=setting_key)

    async def get(self, template_id: UUID) -> TemplateMedia:
        """TemplateNotFound."""
        template = await self._templates.get(template_id)
        if template is None:
            raise TemplateNotFound("Template not found.")
        return template

    async def thumbnail(self, template_id: UUID) -> StoredFile:
        """A small WebP of the template, created if it is missing. TemplateNotFound."""
        template = await self.get(template_id)
        _, key = template_keys(template_id)
        try:
            size = await self._store.size(key)
        except MediaNotFound:
            try:
                size = await self._make_thumbnail(template_id)
            except MediaNotFound:
                raise TemplateNotFound("The picture of this template is missing.") from None
        # The thumbnail depends on the picture alone, so the picture's checksum identifies it.
        return StoredFile(key, size, f"thumbnail-{template.file.sha256}")

    async def remove(self, template_id: UUID, *, except_binding: tuple[str, str] | None = None, by: Actor) -> None:
        """Remove a template that no slot and no active job uses, with its files.

        `except_binding` (slot ID, setting key) is a binding that may be removed with it. TemplateNotFound,
        TemplateInUse.
        """
        template = await self.get(template_id)
        audit = self._audit_entry(AuditAction.TEMPLATE_REMOVED, by, template)
        await self._templates.remove(template_id, except_binding=except_binding, audit=audit)
        await self._delete_files(template_id)

    async def remove_bound(self, template_id: UUID, *, by: Actor) -> None:
        """Remove the template and its bindings even if it is in use. TemplateNotFound."""
        found = [pair for pair in await self._templates.find() if pair[0].id == template_id]
        if not found:
            raise TemplateNotFound("Template not found.")
        template, bindings = found[0]
        unbound = [builtins.list(binding) for binding in bindings]
        audit = self._audit_entry(AuditAction.TEMPLATE_REMOVED, by, template, unbound=unbound)
        await self._templates.remove_bound(template_id, audit=audit)
        await self._delete_files(template_id)

    async def _add(
        self, data: AsyncIterator[bytes], register: _Register, *, name: str, by: Actor, **bound: str
    ) -> TemplateMedia:
        """Store the picture and its thumbnail, then register it; if that fails, remove both files."""
        template = await self._receive(data, name=name, by=by)
        try:
            await register(template, self._audit_entry(AuditAction.TEMPLATE_ADDED, by, template, **bound))
        except QueueUnavailable:
            raise  # it may be registered all the same; if not, the sweeper removes the files
        except Exception:
            await self._delete(template.id)
            raise
        return template

    async def _receive(self, data: AsyncIterator[bytes], *, name: str, by: Actor) -> TemplateMedia:
        settings = await self._settings.current()
        template_id = new_id(self._clock.now())
        picture = await self._receiving.receive(
            MediaKind.TEMPLATES,
            str(template_id),
            data,
            max_bytes=settings.max_upload_bytes,
            limits=ImageLimits(max_pixels=settings.max_image_pixels),
        )
        try:
            await self._make_thumbnail(template_id)  # this also proves that the picture can be decoded completely
        except BaseException:
            await self._delete(template_id)
            raise
        return TemplateMedia(
            id=template_id,
            file=picture.file,
            mime=picture.facts.mime,
            width=picture.facts.width,
            height=picture.facts.height,
            name=visible_name(name) or _UNNAMED,
            created_at=self._clock.now(),
            created_by=by.name,
        )

    async def _make_thumbnail(self, template_id: UUID) -> int:
        """Create and store the thumbnail; its size in bytes."""
        picture, key = template_keys(template_id)
        data = b"".join([chunk async for chunk in self._store.open(picture)])
        small = await self._images.preview(data)
        return (await self._store.put(key.kind, key.name, one_chunk(small), max_bytes=len(small))).size_bytes

    async def _require_role(self, slot_id: str, setting_key: str) -> None:
        """Raise SlotNotFound, or InvalidSettings if the slot's route uses no template with this key."""
        if "\0" in slot_id:  # PostgreSQL cannot compare with NUL
            raise SlotNotFound("Slot not found.")
        slot = await self._slots.get(slot_id)
        providers = {provider.info.id: provider for provider in self._providers.all()}
        roles = template_roles(steps_of(slot.route), providers)
        if setting_key not in roles:
            refuse([unknown_role("setting_key", setting_key, roles)])

    async def _delete_files(self, template_id: UUID) -> None:
        try:
            await self._delete(template_id)
        except StorageUnavailable as error:
            _log.warning("template %s: deleting its files failed, left to the sweeper: %s", template_id, error.detail)

    async def _delete(self, template_id: UUID) -> None:
        for key in template_keys(template_id):
            await self._store.delete(key)

    def _audit_entry(self, action: AuditAction, by: Actor, template: TemplateMedia, **detail: object) -> AuditEntry:
        return audit_entry(action, by, now=self._clock.now(), target=str(template.id), name=template.name, **detail)
