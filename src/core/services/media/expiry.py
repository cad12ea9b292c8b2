"""Maintenance of media objects: expired ones are deleted."""

from __future__ import annotations

from ...ports.clock import Clock
from ...ports.media_store import MediaStore
from ...ports.repositories.media_repository import MediaRepository
from ..maintenance.task import BATCH, Batch, MaintenanceTask, in_shared_batches


class MediaExpiry:
    """Deletes expired media objects with their files."""

    def __init__(self, media: MediaRepository, store: MediaStore, clock: Clock) -> None:
        self._media = media
        self._store = store
        self._clock = clock

    def tasks(self) -> list[MaintenanceTask]:
        return [MaintenanceTask("media_objects", self.delete)]

    async def delete(self) -> int:
        """Delete all expired media objects; returns how many. QueueUnavailable, StorageUnavailable."""
        return await in_shared_batches(self._delete_batch)

    async def _delete_batch(self) -> Batch:
        now = self._clock.now()
        expired = await self._media.expired(now=now, limit=BATCH)
        for media in expired:
            await self._store.delete(media.file.key)
        return Batch(len(expired), await self._media.remove([media.id for media in expired], now=now))
