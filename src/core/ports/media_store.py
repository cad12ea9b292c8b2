"""The media store: files by key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from ..domain.errors import StorageUnavailable
from ..domain.media import MediaKey, MediaKind, StoredFile


class FaultHandler(Protocol):
    """Waits a moment, or raises the error where the fault has lasted too long."""

    async def __call__(self, error: StorageUnavailable) -> None: ...


class MediaStore(Protocol):
    """Files by key. Every method may raise StorageUnavailable (disk full, read-only, unreachable).

    A store cannot be asked what it contains. Which files there are is known from the database (BegunFiles, OwnedFiles),
    and for files that were begun while it was away, from notes in the store.
    """

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
        """The file as a local path, for programs that need one; MediaNotFound.

        The path is valid inside the block and only to be read: it may be a copy that the store has made for the block.
        """
        ...

    async def delete(self, key: MediaKey) -> None:
        """Remove the file; does nothing if it does not exist."""
        ...

    async def link(
        self, key: MediaKey, *, valid_for: timedelta, media_type: str, disposition: str | None = None
    ) -> str | None:
        """A link under which anyone can fetch the file from the store itself, by GET; None where it makes none.

        The answer has `media_type` and `disposition` as Content-Type and Content-Disposition. The link is made without
        a request: it may lead to a file that does not exist.
        """
        ...

    async def note(self, key: MediaKey) -> None:
        """Leave a note that this file is being written. A key may be noted several times."""
        ...

    async def noted(self) -> list[MediaKey]:
        """The keys with a note, or some of them where there are thousands. For the sweeper: notes are rare."""
        ...

    async def remove_note(self, key: MediaKey) -> None:
        """Remove the note of this key; does nothing if there is none."""
        ...

    async def remove_partial(self, *, older_than: datetime) -> int:
        """Remove what writes that were interrupted before a moment have left; returns how many there were."""
        ...

    async def free_bytes(self) -> int | None:
        """Free space in bytes; None where the store has no known bound."""
        ...

    async def check(self) -> None:
        """Write a file and read it back; StorageUnavailable."""
        ...
