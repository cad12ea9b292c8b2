"""The files of a guest: photo, result, previews, and the copies of the photo that providers fetch."""

from __future__ import annotations

from ...domain.job import Job
from ...domain.results.files import result_keys
from ...ports.media_service import MediaService
from ...ports.media_store import MediaStore


class GuestFiles:
    """Deletes the files of jobs; what is gone already does no harm. Methods may raise StorageUnavailable."""

    def __init__(self, store: MediaStore, media: MediaService) -> None:
        self._store = store
        self._media = media

    async def delete(self, job: Job) -> None:
        """Delete every file of an ended job. Also raises QueueUnavailable."""
        await self.delete_photo(job)
        if job.result is not None:
            for key in result_keys(job.result.file.key):
                await self._store.delete(key)
        await self._media.drop(job.id)

    async def delete_photo(self, job: Job) -> None:
        """Delete the photo as it was received."""
        await self._store.delete(job.photo.file.key)
