"""The receiving of a picture from outside: into the store while it arrives, or refused and nothing of it is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ..errors import UndecodableImage, UnsupportedMediaType
from ..media import ImageLimits, MediaKind, Photo
from ..ports.media import ImageTool, MediaStore
from .free_space import FreeSpace

SNIFF_BYTES = 32
"""So many first bytes tell the type of a picture."""


class Receiving:
    """Takes pictures in."""

    def __init__(self, store: MediaStore, images: ImageTool, space: FreeSpace) -> None:
        self._store = store
        self._images = images
        self._space = space

    async def require_room(self) -> None:
        """StorageUnavailable where the store is too full to take pictures in."""
        await self._space.require()

    async def receive(
        self, kind: MediaKind, name: str, data: AsyncIterator[bytes], *, max_bytes: int, limits: ImageLimits
    ) -> Photo:
        """Store a picture under a name that the caller made, and read its header; nothing is decoded.

        Raises PayloadTooLarge, UnsupportedMediaType (as soon as the first bytes show it), UndecodableImage,
        ImageTooLarge, StorageUnavailable (before anything is read, where the store is nearly full).
        """
        await self.require_room()
        stored = await self._store.put(kind, name, self._sniffed(data), max_bytes=max_bytes)
        try:
            async with self._store.local(stored.key) as path:
                facts = await self._images.inspect(path, limits=limits)
        except BaseException:
            await self._store.delete(stored.key)
            raise
        return Photo(stored, facts)

    async def _sniffed(self, data: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same bytes, cut off before anything is kept if they do not begin like a picture."""
        head = b""
        async for chunk in data:
            if len(head) >= SNIFF_BYTES:
                yield chunk
                continue
            head += chunk
            if len(head) >= SNIFF_BYTES:
                self._require_picture(head)
                yield head
        if not head:
            raise UndecodableImage("The picture is empty: it has 0 bytes.")
        if len(head) < SNIFF_BYTES:
            self._require_picture(head)
            yield head

    def _require_picture(self, head: bytes) -> None:
        if self._images.sniff(head) is None:
            raise UnsupportedMediaType("The file is not a JPEG, PNG, WebP or HEIC picture.")
