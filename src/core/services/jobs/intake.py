"""The receipt of photos on slots: admission, upload, and removal of photos that no job is created from."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ...domain.errors import SlotDisabled
from ...domain.ids import new_id
from ...domain.media import ImageLimits, MediaKind, Photo
from ...domain.slots.slot import Slot
from ...ports.clock import Clock
from ...ports.repositories.slot_repository import SlotRepository
from ..media.upload import UploadReceiver
from ..settings.service import SettingsService
from ..support.concurrency import gather_in_order


class PhotoIntake:
    """Receives photos within the bounds of their slot and of the settings."""

    def __init__(self, slots: SlotRepository, uploads: UploadReceiver, settings: SettingsService, clock: Clock) -> None:
        self._slots = slots
        self._uploads = uploads
        self._settings = settings
        self._clock = clock

    async def admit(self, slot_id: str) -> Slot:
        """The slot if it accepts photos; SlotNotFound, SlotDisabled, StorageUnavailable for too little disk space."""
        slot, _ = await gather_in_order(self._enabled(slot_id), self._uploads.require_room())
        return slot

    async def _enabled(self, slot_id: str) -> Slot:
        slot = await self._slots.get(slot_id)
        if not slot.active or not slot.route.entries:
            raise SlotDisabled(f"The slot {slot_id} is disabled.")
        return slot

    async def receive(self, slot: Slot, data: AsyncIterator[bytes]) -> Photo:
        """Store a photo while it arrives and read its header; see `JobService.receive_photo`."""
        settings = await self._settings.last_known()
        return await self._uploads.receive(
            MediaKind.PAYLOADS,
            str(new_id(self._clock.now())),
            data,
            max_bytes=min(slot.max_upload_bytes or settings.max_upload_bytes, settings.max_upload_bytes),
            limits=ImageLimits(max_pixels=settings.max_image_pixels),
        )

    async def discard(self, photo: Photo) -> None:
        """Remove a received photo that no job is created from."""
        await self._uploads.discard(photo)
