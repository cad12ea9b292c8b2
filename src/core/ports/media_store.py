"""The media store: files by key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ..domain.errors import StorageUnavailable
from ..domain.media import MediaKey, MediaKind, StoredFile


class FaultHandler(Protocol):
    """Waits a moment, or raises the error where the fault has lasted too long."""

    async def __call__(self, error: StorageUnavailable) -> None: ...


class MediaStore(Protocol):
    """Files by key. Every method may raise StorageUnavailable (disk full, read-only, unreachable)."""

    async def put(
        self,
        kind: MediaKind,
        name: str,
        data: AsyncIterator[bytes],
        *,
        max_bytes: int,
        on_fault: FaultHandler | None = None,
    ) -> StoredFile:
        """Store a stream under the caller's name; the file becomes visible only when it is complete.

        Memory does not grow with the size. A call that ends early (PayloadTooLarge past `max_bytes`, an error from
        `data`, cancellation) leaves no file. An existing file of that name is replaced atomically.

        `on_fault` is awaited where the bytes that have arrived cannot be stored. When it returns, they are stored
        again; what it raises ends the call.
        """
        ...

    async def size(self, key: MediaKey) -> int:
        """Size of the file in bytes; MediaNotFound."""
        ...

    def open(self, key: MediaKey, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to but excluding `end`, in chunks; MediaNotFound before the first chunk.

        A file that is deleted during the read is read to its end.
        """
        ...

    def local(self, key: MediaKey) -> AbstractAsyncContextManager[Path]:
        """The file as a local path, valid inside the block; MediaNotFound."""
        ...

    async def delete(self, key: MediaKey) -> bool:
        """Remove the file; False if it does not exist."""
        ...

    def keys(self, kind: MediaKind, *, older_than: datetime) -> AsyncIterator[MediaKey]:
        """Keys of a kind last written before a moment."""
        ...

    async def bytes_of(self, kind: MediaKind) -> int:
        """Total size in bytes of a kind. Reads every file's size: too slow for a request."""
        ...

    async def remove_partial(self, *, older_than: datetime) -> int:
        """Remove the partial files of interrupted writes from before a moment; returns their number."""
        ...

    async def free_bytes(self) -> int | None:
        """Free space in bytes; None where the store has no known bound."""
        ...

    async def check(self) -> None:
        """Write a file and read it back; StorageUnavailable."""
        ...
