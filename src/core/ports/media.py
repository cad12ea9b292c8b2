"""Where files lie, and what can be done with pictures: the media store and the image tool."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ..media import ImageFacts, ImageLimits, MediaKey, MediaKind, Picture, PictureNeeds, StoredFile


class MediaStore(Protocol):
    """Files by key. Every method may raise StorageUnavailable (disk full, read-only, unreachable)."""

    async def put(self, kind: MediaKind, name: str, data: AsyncIterator[bytes], *, max_bytes: int) -> StoredFile:
        """Store a stream whole under a name that the caller made, and only then let it be seen.

        Memory does not grow with the size. Whatever ends the call early (PayloadTooLarge past `max_bytes`, an error
        from `data`, cancellation) leaves nothing behind. An existing file of that name is replaced in one step.
        """
        ...

    async def size(self, key: MediaKey) -> int:
        """Bytes of the file; MediaNotFound."""
        ...

    def open(self, key: MediaKey, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to and without `end` in chunks; MediaNotFound before the first chunk.

        A file that is deleted while it is being read is read to its end.
        """
        ...

    def local(self, key: MediaKey) -> AbstractAsyncContextManager[Path]:
        """The file as a path on this machine, for as long as the block lasts; MediaNotFound."""
        ...

    async def delete(self, key: MediaKey) -> bool:
        """Remove the file; False if there was none."""
        ...

    def keys(self, kind: MediaKind, *, older_than: datetime) -> AsyncIterator[MediaKey]:
        """The files of a kind last written before a moment, for finding orphans."""
        ...

    async def bytes_of(self, kind: MediaKind) -> int:
        """Bytes of all files of a kind, looked at one by one: for once in a while, never for a request."""
        ...

    async def remove_partial(self, *, older_than: datetime) -> int:
        """Remove what interrupted writes left behind before a moment; returns how many."""
        ...

    async def free_bytes(self) -> int | None:
        """How many more bytes can be stored; None where the store has no bound that it could tell."""
        ...

    async def check(self) -> None:
        """Prove that a file can be written and read back; StorageUnavailable."""
        ...


class ImageTool(Protocol):
    """Everything that is done to pictures outside of providers. Never blocks the event loop."""

    def sniff(self, head: bytes) -> str | None:
        """The MIME type by content, from the first bytes (at least 32 where there are as many), None if unknown."""
        ...

    async def inspect(self, path: Path, *, limits: ImageLimits) -> ImageFacts:
        """Type and dimensions from the header alone; nothing is decoded.

        Raises UnsupportedMediaType, UndecodableImage (no usable header), ImageTooLarge (pixels or frames).
        """
        ...

    async def inspect_start(self, start: bytes, *, limits: ImageLimits) -> ImageFacts | None:
        """The same from the first bytes of a picture that is still arriving; None where those do not tell it all.

        Raises ImageTooLarge. Whatever else is wrong is for `inspect` to say.
        """
        ...

    async def prepare(self, path: Path, needs: PictureNeeds) -> Picture:
        """The photo as a provider may see it: upright by EXIF, without location metadata, within `needs`.

        A photo that already fits is not re-encoded where its metadata can be taken out without that. An animation
        becomes its first frame. Raises UndecodableImage when it cannot be decoded whole.
        """
        ...

    async def verify(self, data: bytes, *, limits: ImageLimits) -> Picture:
        """A provider's bytes as a picture: type by content, decoded whole once to prove that it is one.

        Raises UnsupportedMediaType, UndecodableImage, ImageTooLarge.
        """
        ...

    async def preview(self, data: bytes) -> bytes:
        """A WebP of the picture: longest side 512 px, at most 64 KiB; UndecodableImage."""
        ...
