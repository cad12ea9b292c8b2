"""Template media: permanent pictures of administrators, proven when they come in, bound to slots, and removed."""

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
from ...domain.media import (
    ImageLimits,
    MediaKey,
    MediaKind,
    StoredFile,
    TemplateMedia,
    one_chunk,
)
from ...domain.validation import refuse, visible_name
from ...ports.clock import Clock
from ...ports.image_tool import ImageTool
from ...ports.media_store import MediaStore
from ...ports.slot_repository import SlotRepository, TemplateRepository
from ..media.upload import UploadReceiver
from ..providers.registry import ProviderRegistry
from ..settings.service import SettingsService
from .validation import no_such_role, steps_of, template_roles

_log = logging.getLogger("photochanger.templates")

_UNNAMED = "Template"

_Books = Callable[[TemplateMedia, AuditEntry], Awaitable[None]]


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
        """Store a picture and its thumbnail, bound to nothing yet.

        Raises PayloadTooLarge, UnsupportedMediaType, UndecodableImage, ImageTooLarge; nothing stays behind then.
        """

        async def book(template: TemplateMedia, audit: AuditEntry) -> None:
            await self._templates.add(template, audit=audit)

        return await self._add(data, book, name=name, by=by)

    async def add_bound(
        self, data: AsyncIterator[bytes], *, name: str, slot_id: str, setting_key: str, by: Actor
    ) -> TemplateMedia:
        """`add` and bind to a slot, both or neither. Also raises SlotNotFound, BindingTaken, and InvalidSettings where
        no entry of the slot's route takes a template under this key."""
        await self._require_role(slot_id, setting_key)
        if await self._templates.find(slot_id=slot_id, setting_key=setting_key):
            raise BindingTaken(f"{slot_id} has a template as {setting_key!r} already.")

        async def book(template: TemplateMedia, audit: AuditEntry) -> None:
            await self._templates.add_bound(template, slot_id=slot_id, setting_key=setting_key, audit=audit)

        return await self._add(data, book, name=name, by=by, slot_id=slot_id, setting_key=setting_key)

    async def add_replacing(
        self, data: AsyncIterator[bytes], *, name: str, slot_id: str, setting_key: str, by: Actor
    ) -> TemplateMedia:
        """The same in place of what is bound there; that template is kept."""
        await self._require_role(slot_id, setting_key)

        async def book(template: TemplateMedia, audit: AuditEntry) -> None:
            await self._templates.add_replacing(template, slot_id=slot_id, setting_key=setting_key, audit=audit)

        return await self._add(data, book, name=name, by=by, slot_id=slot_id, setting_key=setting_key)

    async def list(
        self, *, slot_id: str | None = None, setting_key: str | None = None
    ) -> builtins.list[tuple[TemplateMedia, tuple[tuple[str, str], ...]]]:
        """The templates, newest first, each with all its bindings (slot id, setting key)."""
        return await self._templates.find(slot_id=slot_id, setting_key=setting_key)

    async def get(self, template_id: UUID) -> TemplateMedia:
        """TemplateNotFound."""
        template = await self._templates.get(template_id)
        if template is None:
            raise TemplateNotFound("There is no such template.")
        return template

    async def thumbnail(self, template_id: UUID) -> StoredFile:
        """A small WebP of it; made now if it is not there. TemplateNotFound."""
        template = await self.get(template_id)
        key = _thumbnail_key(template_id)
        try:
            size = await self._store.size(key)
        except MediaNotFound:
            try:
                size = await self._make_thumbnail(template_id)
            except MediaNotFound:
                raise TemplateNotFound("The picture of this template is gone.") from None
        # It is made from the picture alone, so the picture's checksum identifies it too.
        return StoredFile(key, size, f"thumbnail-{template.file.sha256}")

    async def remove(self, template_id: UUID, *, except_binding: tuple[str, str] | None = None, by: Actor) -> None:
        """Remove a template that no slot and no live job uses, with its files.

        `except_binding` (slot id, setting key) names a binding that may go with it. TemplateNotFound, TemplateInUse.
        """
        template = await self.get(template_id)
        audit = self._told(AuditAction.TEMPLATE_REMOVED, by, template)
        await self._templates.remove(template_id, except_binding=except_binding, audit=audit)
        await self._clear_up(template_id)

    async def remove_bound(self, template_id: UUID, *, by: Actor) -> None:
        """Remove it and its bindings, whatever uses it. TemplateNotFound."""
        found = [pair for pair in await self._templates.find() if pair[0].id == template_id]
        if not found:
            raise TemplateNotFound("There is no such template.")
        template, bindings = found[0]
        unbound = [builtins.list(binding) for binding in bindings]
        audit = self._told(AuditAction.TEMPLATE_REMOVED, by, template, unbound=unbound)
        await self._templates.remove_bound(template_id, audit=audit)
        await self._clear_up(template_id)

    async def _add(
        self, data: AsyncIterator[bytes], book: _Books, *, name: str, by: Actor, **bound: str
    ) -> TemplateMedia:
        """Store the picture and its thumbnail, then put it in the books; without a place there both are removed."""
        template = await self._receive(data, name=name, by=by)
        try:
            await book(template, self._told(AuditAction.TEMPLATE_ADDED, by, template, **bound))
        except QueueUnavailable:
            raise  # it may be in the books all the same; where it is not, the sweeper finds the files
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
            await self._make_thumbnail(template_id)  # also the proof that it can be decoded whole
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
        """Bytes of the thumbnail, once it is stored."""
        data = b"".join([chunk async for chunk in self._store.open(_key(template_id))])
        small = await self._images.preview(data)
        key = _thumbnail_key(template_id)
        return (await self._store.put(key.kind, key.name, one_chunk(small), max_bytes=len(small))).size_bytes

    async def _require_role(self, slot_id: str, setting_key: str) -> None:
        """SlotNotFound; InvalidSettings where nothing of the slot's takes a template under this key."""
        if "\0" in slot_id:  # no database can even look for it
            raise SlotNotFound("There is no such slot.")
        slot = await self._slots.get(slot_id)
        providers = {provider.info.id: provider for provider in self._providers.all()}
        roles = template_roles(steps_of(slot.route), providers)
        if setting_key not in roles:
            refuse([("setting_key", no_such_role(setting_key, roles))])

    async def _clear_up(self, template_id: UUID) -> None:
        try:
            await self._delete(template_id)
        except StorageUnavailable as error:
            _log.warning("the files of template %s are left to the sweeper: %s", template_id, error.detail)

    async def _delete(self, template_id: UUID) -> None:
        await self._store.delete(_key(template_id))
        await self._store.delete(_thumbnail_key(template_id))

    def _told(self, action: AuditAction, by: Actor, template: TemplateMedia, **detail: object) -> AuditEntry:
        return audit_entry(action, by, now=self._clock.now(), target=str(template.id), name=template.name, **detail)


def _key(template_id: UUID) -> MediaKey:
    return MediaKey(MediaKind.TEMPLATES, str(template_id))


def _thumbnail_key(template_id: UUID) -> MediaKey:
    return MediaKey(MediaKind.TEMPLATES, f"{template_id}.webp")
