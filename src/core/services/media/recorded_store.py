"""The media store whose files are recorded in the database before they are complete."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path

from ...domain.errors import QueueUnavailable, StorageUnavailable
from ...domain.media import MediaKey, MediaKind, StoredFile
from ...ports.clock import Clock
from ...ports.media_store import FaultHandler, MediaStore
from ...ports.repositories.file_records import BegunFiles
from ..support.concurrency import TaskSet, cancel_and_wait

_log = logging.getLogger("photochanger.media")

_PATIENCE_SECONDS = 1.0
"""How long a write waits for its record: a photo is worth more than the record of its file."""

_OUTAGE = timedelta(seconds=5)
"""How long after a failure no write waits for its record."""

_AGAIN = timedelta(minutes=1)
"""How often a file that arrives slowly is recorded again, so that it does not look abandoned."""


class RecordedMediaStore:
    """A MediaStore that records each file as begun while it is written: none is complete before its record is stored.

    A write never fails for want of its record. While the database is away, a note in the store takes its place; the
    sweeper makes records of the notes.
    """

    def __init__(self, inner: MediaStore, begun: BegunFiles, clock: Clock) -> None:
        self.inner = inner
        self._begun = begun
        self._clock = clock
        self._failed_at: timedelta | None = None
        self._records = TaskSet()

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
        record = self._records.start(self._record(key, on_fault), name=f"record of {key}")
        try:
            recorded = self._recorded(key, data, on_fault, record)
            return await self.inner.put(kind, name, recorded, max_bytes=max_bytes, on_fault=on_fault)
        finally:
            await cancel_and_wait(record)

    async def size(self, key: MediaKey) -> int:
        return await self.inner.size(key)

    def open(self, key: MediaKey, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        return self.inner.open(key, start=start, end=end)

    def local(self, key: MediaKey) -> AbstractAsyncContextManager[Path]:
        return self.inner.local(key)

    async def delete(self, key: MediaKey) -> None:
        await self.inner.delete(key)

    async def link(
        self, key: MediaKey, *, valid_for: timedelta, media_type: str, disposition: str | None = None
    ) -> str | None:
        return await self.inner.link(key, valid_for=valid_for, media_type=media_type, disposition=disposition)

    async def note(self, key: MediaKey) -> None:
        await self.inner.note(key)

    async def noted(self) -> list[MediaKey]:
        return await self.inner.noted()

    async def remove_note(self, key: MediaKey) -> None:
        await self.inner.remove_note(key)

    async def remove_partial(self, *, older_than: datetime) -> int:
        return await self.inner.remove_partial(older_than=older_than)

    async def free_bytes(self) -> int | None:
        return await self.inner.free_bytes()

    async def check(self) -> None:
        await self.inner.check()

    async def _recorded(
        self, key: MediaKey, data: AsyncIterator[bytes], on_fault: FaultHandler | None, record: Awaitable[None]
    ) -> AsyncIterator[bytes]:
        """The data, whose end waits for the record; the file is recorded again every minute until they have arrived."""
        recorded_at = self._clock.monotonic()
        async for chunk in data:
            if (now := self._clock.monotonic()) - recorded_at >= _AGAIN:
                recorded_at = now
                await self._record(key, on_fault)
            yield chunk
        await record

    async def _record(self, key: MediaKey, on_fault: FaultHandler | None) -> None:
        """Record the file, in the store where the database is away."""
        if self._failed_at is None or self._clock.monotonic() - self._failed_at >= _OUTAGE:
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await self._begun.add([key], now=self._clock.now())
            except (QueueUnavailable, TimeoutError) as error:
                self._failed_at = self._clock.monotonic()
                _log.warning("files are recorded in the media store for now: %s", str(error) or "timeout")
            else:
                self._failed_at = None
                return None
        while True:
            try:
                return await self.inner.note(key)
            except StorageUnavailable as error:
                if on_fault is None:
                    raise
                await on_fault(error)
