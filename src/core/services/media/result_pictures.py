"""The files of pictures that may become the result of a job."""

from __future__ import annotations

from uuid import UUID

from ...domain.errors import UnsupportedMediaType
from ...domain.media import ImageLimits, MediaKey, MediaKind, StoredFile, StoredPicture, one_chunk
from ...domain.result_files import result_name
from ...ports.image_tool import ImageTool
from ...ports.media_store import MediaStore
from ..support.concurrency import gather_in_order
from .removal import remove_unused
from .storage_retry import StorageRetry
from .upload import SNIFF_BYTES


class ResultPictures:
    """Stores verified pictures, and removes those that no job ends with."""

    def __init__(self, store: MediaStore, images: ImageTool) -> None:
        self._store = store
        self._images = images

    async def store(
        self, job_id: UUID, data: bytes, *, limits: ImageLimits, retry: StorageRetry | None = None
    ) -> StoredPicture:
        """Verify and store the bytes of a picture, both concurrently. With `retry` the bytes are kept through faults.

        Stores nothing where they are no picture: UnsupportedMediaType, UndecodableImage, ImageTooLarge.
        """
        mime = self._images.sniff(data[:SNIFF_BYTES])
        if mime is None:
            raise UnsupportedMediaType("The content is not a picture.")
        name = result_name(job_id, mime)

        async def put() -> StoredFile:
            return await self._store.put(MediaKind.RESULTS, name, one_chunk(data), max_bytes=len(data))

        try:
            picture, file = await gather_in_order(
                self._images.verify(data, limits=limits), retry.run(put) if retry is not None else put()
            )
        except BaseException:
            await remove_unused(self._store, MediaKey(MediaKind.RESULTS, name))
            raise
        return StoredPicture(file, picture.mime, picture.width, picture.height)

    async def discard(self, picture: StoredPicture) -> None:
        """Remove a stored picture that no job was finalized with."""
        await remove_unused(self._store, picture.file.key)
