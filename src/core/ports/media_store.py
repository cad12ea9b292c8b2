"""Where files lie, and what can be done with pictures: the media store and the image tool."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ..domain.media import (
    MediaKey,
    MediaKind,
    StoredFile,
)


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
