"""Uploads: a picture is stored while it arrives, or refused and not kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from ...domain.errors import UndecodableImage, UnsupportedMediaType
from ...domain.media import ImageFacts, ImageLimits, MediaKind, Photo
from ...ports.image_tool import ImageTool
from ...ports.media_store import MediaStore
from ..support.concurrency import TaskSet
from .disk_space import DiskSpace

SNIFF_BYTES = 32
"""Bytes needed to detect the image type."""

_START_BYTES = 64 * 1024
"""Bytes in which a camera's JPEG has its size; where it does not, the whole file is inspected."""


class UploadReceiver:
    """Receives pictures."""

    def __init__(self, store: MediaStore, images: ImageTool, space: DiskSpace) -> None:
        self._store = store
        self._images = images
        self._space = space
        self._reads = TaskSet()

    async def require_room(self) -> None:
        """Raise StorageUnavailable where the store has too little free space."""
        await self._space.require()

    async def discard(self, photo: Photo) -> None:
        """Remove a received picture."""
        await self._store.delete(photo.file.key)

    async def receive(
        self, kind: MediaKind, name: str, data: AsyncIterator[bytes], *, max_bytes: int, limits: ImageLimits
    ) -> Photo:
        """Store a picture under the caller's name and read its header; the picture is not decoded.

        Raises PayloadTooLarge, UnsupportedMediaType (as soon as the first bytes show it), UndecodableImage,
        ImageTooLarge, StorageUnavailable (before the first read where the store is nearly full).
        """
        await self.require_room()
        arriving = _StreamingUpload(data, self._images, limits, self._reads)
        try:
            stored = await self._store.put(kind, name, arriving.checked(), max_bytes=max_bytes)
            try:
                facts = await arriving.facts()
                if facts is None:
                    async with self._store.local(stored.key) as path:
                        facts = await self._images.inspect(path, limits=limits)
            except BaseException:
                await self._store.delete(stored.key)
                raise
        finally:
            await arriving.close()
        return Photo(stored, facts)


class _StreamingUpload:
    """The bytes of an upload. The header is read while the rest arrives."""

    def __init__(self, data: AsyncIterator[bytes], images: ImageTool, limits: ImageLimits, reads: TaskSet) -> None:
        self._data = data
        self._images = images
        self._limits = limits
        self._reads = reads
        self._reading: asyncio.Task[ImageFacts | None] | None = None

    async def checked(self) -> AsyncIterator[bytes]:
        """Pass the bytes on. Raises UnsupportedMediaType before the first one where they are no picture, and
        ImageTooLarge as soon as the header says so."""
        start = b""
        async for chunk in self._data:
            if self._reading is not None:
                if self._reading.done():
                    self._reading.result()
                yield chunk
                continue
            sniffed = len(start) >= SNIFF_BYTES
            start += chunk
            if not sniffed and len(start) < SNIFF_BYTES:
                continue
            if not sniffed:
                self._require_picture(start)
            if len(start) >= _START_BYTES:
                self._reading = self._reads.start(self._read(start), name="header of an upload")
            yield chunk if sniffed else start
        if not start:
            raise UndecodableImage("The picture is empty (0 bytes).")
        if len(start) < SNIFF_BYTES:
            self._require_picture(start)
            yield start

    async def _read(self, start: bytes) -> ImageFacts | None:
        return await self._images.inspect_start(start, limits=self._limits)

    async def facts(self) -> ImageFacts | None:
        """The header; None where the whole picture has to be inspected. ImageTooLarge."""
        return await self._reading if self._reading is not None else None

    async def close(self) -> None:
        """Wait for the reading of the header; its errors are dropped."""
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)

    def _require_picture(self, start: bytes) -> None:
        if self._images.sniff(start) is None:
            raise UnsupportedMediaType("The file is not a JPEG, PNG, WebP or HEIC picture.")
