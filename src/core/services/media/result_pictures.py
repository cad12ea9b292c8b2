"""The files of pictures that may become the result of a job."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from ...domain.media import RESULT_TYPES, ImageLimits, MediaKey, MediaKind, StoredFile, StoredPicture
from ...domain.results.files import result_name
from ...ports.image_tool import ImageTool, LaterPreview, PreviewedPicture
from ...ports.media_store import MediaStore
from .removal import remove_unused
from .storage_retry import StorageRetry
from .upload import SNIFF_BYTES

_MAX_RESULT_BYTES = 512 * 1024 * 1024
"""More than a picture has that was made within the limits of pixels."""


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
        made: PreviewedPicture | None = None

        async def normalised() -> PreviewedPicture:
            nonlocal made
            if made is None:
                made = await self._images.normalise(data, limits=limits, with_preview=with_preview)
            return made

        async def content() -> AsyncIterator[bytes]:
            yield (await normalised()).picture.data

        mime = self._images.sniff(data[:SNIFF_BYTES])
        if mime is None or mime not in RESULT_TYPES:
            mime = (await (retry.run(normalised) if retry is not None else normalised())).picture.mime
        key = MediaKey(MediaKind.RESULTS, result_name(job_id, mime))

        async def put() -> StoredFile:
            # The store records the file, which waits for the disk, while the picture is proven.
            return await self._store.put(key.kind, key.name, content(), max_bytes=_MAX_RESULT_BYTES)

        try:
            file = await (retry.run(put) if retry is not None else put())
        except BaseException:
            await remove_unused(self._store, key)
            raise
        result = await normalised()
        picture = result.picture
        return StoredPicture(file, picture.mime, picture.width, picture.height), result.preview

    async def discard(self, picture: StoredPicture) -> None:
        """Remove a stored picture that no job was finalized with."""
        await remove_unused(self._store, picture.file.key)
