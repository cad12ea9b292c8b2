"""Uploads: a picture is stored while it arrives, or refused and not kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from ...domain.errors import UndecodableImage
from ...domain.media import ImageLimits, MediaKind, Photo
from ...ports.image_tool import HeaderReader, ImageTool
from ...ports.media_store import MediaStore
from .disk_space import DiskSpace
from .removal import remove_unused
from .storage_retry import StorageRetry

SNIFF_BYTES = 32
"""Bytes needed to detect the image type."""


class UploadReceiver:
    """Receives pictures."""

    def __init__(self, store: MediaStore, images: ImageTool, space: DiskSpace) -> None:
        self._store = store
        self._images = images
        self._space = space

    async def require_room(self, retry: StorageRetry | None = None) -> None:
        """Raise StorageUnavailable where the store has too little free space, with `retry` still after its time."""
        await (retry.run(self._space.require) if retry is not None else self._space.require())

    async def discard(self, photo: Photo) -> None:
        """Remove a received picture."""
        await remove_unused(self._store, photo.file.key)

    async def receive(
        self,
        kind: MediaKind,
        name: str,
        data: AsyncIterator[bytes],
        *,
        max_bytes: int,
        limits: ImageLimits,
        retry: StorageRetry | None = None,
    ) -> Photo:
        """Store a picture under the caller's name and read its header; the picture is not decoded.

        Raises PayloadTooLarge, UnsupportedMediaType (as soon as the first bytes show it), UndecodableImage,
        ImageTooLarge, StorageUnavailable (before the first read where the store is nearly full). `retry` waits out
        faults of the store.
        """
        await self.require_room(retry)
        header = self._images.header(limits=limits)
        stored = await self._store.put(kind, name, _checked(data, header), max_bytes=max_bytes, on_fault=retry)
        try:
            facts = header.facts()
        except BaseException:
            await remove_unused(self._store, stored.key)
            raise
        return Photo(stored, facts)


async def _checked(data: AsyncIterator[bytes], header: HeaderReader) -> AsyncIterator[bytes]:
    """Pass the bytes on, the first ones once they show a picture. Raises what reading the header raises."""
    start = b""
    async for chunk in data:
        for _ in header.feed(chunk):
            await asyncio.sleep(0)
        if header.mime is None:
            start += chunk
        elif start:
            yield start + chunk
            start = b""
        else:
            yield chunk
    if header.mime is None:
        if not start:
            raise UndecodableImage("The picture is empty (0 bytes).")
        header.facts()
        yield start
