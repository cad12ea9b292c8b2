"""The MediaStore and MediaRepository ports in memory."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec

from ...core.domain.errors import MediaNotFound, PayloadTooLarge
from ...core.domain.media import MediaKey, MediaKind, MediaObject, StoredFile
from ...core.ports.media_store import FaultHandler

_CHUNK_BYTES = 256 * 1024


class MemoryMediaStore:
    """Files as bytes in a dictionary. `room_bytes` is the free space that it reports, whatever it contains."""

    def __init__(self, *, room_bytes: int | None = None) -> None:
        self.room_bytes = room_bytes
        self.files: dict[MediaKey, bytes] = {}
        self._notes: dict[MediaKey, None] = {}

    async def put(
        self,
        kind: MediaKind,
        name: str,
        data: AsyncIterator[bytes],
        *,
        max_bytes: int,
        on_fault: FaultHandler | None = None,
    ) -> StoredFile:
        key = MediaKey(kind, name)
        content = bytearray()
        async for chunk in data:
            content += chunk
            if len(content) > max_bytes:
                raise PayloadTooLarge(f"The file is larger than {max_bytes} bytes.")
        self.files[key] = bytes(content)
        return StoredFile(key, len(content), hashlib.sha256(content).hexdigest())

    async def size(self, key: MediaKey) -> int:
        return len(self._content(key))

    async def open(self, key: MediaKey, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        if start < 0 or (end is not None and end < 0):
            raise ValueError("a range starts at 0 or later")
        content = self._content(key)
        stop = len(content) if end is None else min(end, len(content))
        for at in range(start, stop, _CHUNK_BYTES):
            yield content[at : min(at + _CHUNK_BYTES, stop)]

    @asynccontextmanager
    async def local(self, key: MediaKey) -> AsyncIterator[Path]:
        content = self._content(key)
        with tempfile.TemporaryDirectory(prefix="photochanger-") as folder:
            path = Path(folder) / key.name
            path.write_bytes(content)
            yield path

    async def delete(self, key: MediaKey) -> None:
        self.files.pop(key, None)

    async def link(
        self, key: MediaKey, *, valid_for: timedelta, media_type: str, disposition: str | None = None
    ) -> str | None:
        return None

    async def note(self, key: MediaKey) -> None:
        self._notes[key] = None

    async def noted(self) -> list[MediaKey]:
        return [*self._notes]

    async def remove_note(self, key: MediaKey) -> None:
        self._notes.pop(key, None)

    async def remove_partial(self, *, older_than: datetime) -> int:
        return 0  # an interrupted write leaves no partial file

    async def free_bytes(self) -> int | None:
        return self.room_bytes

    async def check(self) -> None:
        pass

    def _content(self, key: MediaKey) -> bytes:
        try:
            return self.files[key]
        except KeyError:
            raise MediaNotFound(f"File {key} not found.") from None


class MemoryMediaRepository:
    """Media objects in a dictionary, and the ids of the removed ones."""

    def __init__(self) -> None:
        self._media: dict[UUID, MediaObject] = {}
        self._removed: set[UUID] = set()

    async def add(self, media: MediaObject) -> None:
        self._media[media.id] = media

    async def get(self, media_id: UUID) -> MediaObject | None:
        return self._media.get(media_id)

    async def of_job(self, job_id: UUID) -> list[MediaObject]:
        return [media for media in self.kept() if media.job_id == job_id]

    async def expired(self, *, now: datetime, limit: int) -> list[MediaObject]:
        expired = [media for media in self.kept() if media.expires_at <= now]
        return sorted(expired, key=lambda media: (media.expires_at, media.id))[:limit]

    async def remove(self, media_ids: Collection[UUID], *, now: datetime) -> int:
        before = len(self._removed)
        for media_id in media_ids:
            if (media := self._media.get(media_id)) is not None and media_id not in self._removed:
                self._media[media_id] = msgspec.structs.replace(media, expires_at=min(media.expires_at, now))
                self._removed.add(media_id)
        return len(self._removed) - before

    def expire_links(self, job_id: UUID, at: datetime) -> None:
        """Let the links of a job's media objects expire at this moment, if they do not earlier."""
        for media in self.kept():
            if media.job_id == job_id:
                self._media[media.id] = msgspec.structs.replace(media, expires_at=min(media.expires_at, at))

    async def in_use(self, keys: Collection[MediaKey]) -> set[MediaKey]:
        return {media.file.key for media in self.kept()} & set(keys)

    def kept(self) -> list[MediaObject]:
        """Those that are not removed."""
        return [media for media in self._media.values() if media.id not in self._removed]
