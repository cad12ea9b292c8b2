"""The files of pictures that may become the result of a job."""

from __future__ import annotations

from uuid import UUID

from ...domain.media import ImageLimits, MediaKey, MediaKind, StoredFile, StoredPicture, one_chunk
from ...domain.results.files import result_name
from ...ports.image_tool import ImageTool, LaterPreview, PreviewedPicture
from ...ports.media_store import MediaStore
from .removal import remove_unused
from .storage_retry import StorageRetry


class ResultPictures:
    """Stores normalised pictures, and removes those that no job ends with."""

    def __init__(self, store: MediaStore, images: ImageTool) -> None:
        self._store = store
        self._images = images

    async def store(
        self,
        job_id: UUID,
        data: bytes,
        *,
        limits: ImageLimits,
        with_preview: bool = False,
        retry: StorageRetry | None = None,
    ) -> tuple[StoredPicture, LaterPreview]:
        """Normalise and store the bytes of a picture. With `retry` they are kept through faults of the store.

        Returns its preview too, which is not stored.

        Stores nothing where they are no picture: UnsupportedMediaType, UndecodableImage, ImageTooLarge.
        """

        async def normalise() -> PreviewedPicture:
            return await self._images.normalise(data, limits=limits, with_preview=with_preview)

        normalised = await (retry.run(normalise) if retry is not None else normalise())
        picture = normalised.picture
        key = MediaKey(MediaKind.RESULTS, result_name(job_id, picture.mime))

        async def put() -> StoredFile:
            return await self._store.put(key.kind, key.name, one_chunk(picture.data), max_bytes=len(picture.data))

        try:
            file = await (retry.run(put) if retry is not None else put())
        except BaseException:
            await remove_unused(self._store, key)
            raise
        return StoredPicture(file, picture.mime, picture.width, picture.height), normalised.preview

    async def discard(self, picture: StoredPicture) -> None:
        """Remove a stored picture that no job was finalized with."""
        await remove_unused(self._store, picture.file.key)
