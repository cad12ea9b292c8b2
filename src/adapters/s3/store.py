"""The MediaStore port on a bucket: one prefix for each kind."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

from ...core.domain.errors import MediaNotFound, PayloadTooLarge, StorageUnavailable
from ...core.domain.media import MediaKey, MediaKind, StoredFile
from ...core.ports.media_store import FaultHandler
from ...core.ports.telemetry import Telemetry
from ...core.services.support.concurrency import BackgroundTasks
from ...core.services.support.null_telemetry import NULL_TELEMETRY
from .bucket import Bucket
from .credentials import credentials_of
from .faults import S3Unavailable
from .local_copies import LocalCopies
from .objects import ObjectMissing, Objects
from .settings import DEFAULT_BOUNDS, S3Bounds, S3Settings
from .write import FileWrite

_PROBE = b"photochanger"
_NOTES = "unrecorded"


class S3MediaStore:
    """The MediaStore port in a bucket of an S3 service. Objects have the keys `prefix/kind/name`; notes are empty
    objects `prefix/unrecorded/kind.name`.
    """

    def __init__(
        self, bucket: Bucket, objects: Objects, *, copies: LocalCopies, bounds: S3Bounds, telemetry: Telemetry
    ) -> None:
        self.bucket = bucket
        self.objects = objects
        self._copies = copies
        self._bounds = bounds
        self._telemetry = telemetry
        self._background = BackgroundTasks()

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        settings: S3Settings,
        *,
        bounds: S3Bounds = DEFAULT_BOUNDS,
        telemetry: Telemetry = NULL_TELEMETRY,
        temporary: Path | None = None,
    ) -> AsyncIterator[S3MediaStore]:
        """The store while the block lasts; nothing is requested yet (`access.require_access` does).

        `temporary` is the folder for copies of files (`local`), by default that of the system. StorageUnavailable where
        it cannot be used.
        """
        credentials = credentials_of(settings)
        bucket = Bucket(settings, credentials, bounds)
        try:
            objects = Objects(settings, credentials, bounds)
            with LocalCopies.in_folder(
                temporary or Path(tempfile.gettempdir()), max_bytes=bounds.local_bytes
            ) as copies:
                store = cls(bucket, objects, copies=copies, bounds=bounds, telemetry=telemetry)
                try:
                    yield store
                finally:
                    await store._end()
        finally:
            await bucket.close()

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
        write = FileWrite(
            self._key(key), bucket=self.bucket, objects=self.objects, bounds=self._bounds, on_fault=on_fault
        )
        size_bytes = 0
        try:
            async for chunk in data:
                size_bytes += len(chunk)
                if size_bytes > max_bytes:
                    raise PayloadTooLarge(f"More than the {max_bytes} bytes that are accepted arrived.")
                await write.add(chunk)
            sha256 = await write.finish()
        except BaseException:
            # Cancellation may come again and again meanwhile; it goes on once nothing is left.
            if (again := await write.abandon(self._background)) is not None:
                raise again from None
            raise
        self._telemetry.media_stored(kind, size_bytes)
        return StoredFile(key, size_bytes, sha256)

    async def size(self, key: MediaKey) -> int:
        try:
            return await self.objects.size(self._key(key))
        except ObjectMissing:
            raise await self._missing(key) from None

    async def open(self, key: MediaKey, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        if start < 0 or (end is not None and end < 0):
            raise ValueError("a range is counted from the start of the file")
        if end is not None and end <= start:
            await self.size(key)
            return
        try:
            async with aclosing(self.objects.read(self._key(key), start=start, end=end)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except ObjectMissing:
            raise await self._missing(key) from None

    def local(self, key: MediaKey) -> AbstractAsyncContextManager[Path]:
        return self._copies.copy(self, key)

    async def delete(self, key: MediaKey) -> None:
        await self._delete(self._key(key))

    async def link(
        self, key: MediaKey, *, valid_for: timedelta, media_type: str, disposition: str | None = None
    ) -> str | None:
        return await self.bucket.link(
            self._key(key), valid_for=valid_for, media_type=media_type, disposition=disposition
        )

    async def note(self, key: MediaKey) -> None:
        await self.objects.put(self._note(key), b"", write_id="note")

    async def noted(self) -> list[MediaKey]:
        names = await self.objects.names(self.bucket.settings.key(_NOTES))
        return [MediaKey.parse(name.replace(".", "/", 1)) for name in names]

    async def remove_note(self, key: MediaKey) -> None:
        await self._delete(self._note(key))

    async def is_empty(self) -> bool:
        """Whether there is no file at all. Lists a thousand keys at most of each kind. S3Unavailable."""
        for kind in MediaKind:
            if await self.objects.names(self.bucket.settings.key(kind)):
                return False
        return True

    async def remove_partial(self, *, older_than: datetime) -> int:
        removed = 0
        for kind in MediaKind:  # in a bucket that others use too, their uploads are not ours to remove
            async for upload in self.bucket.open_uploads(self.bucket.settings.key(f"{kind}/")):
                if upload.begun_at < older_than:
                    removed += await self.bucket.abort_upload(upload.key, upload.id)
        return removed

    async def free_bytes(self) -> int | None:
        return None

    async def check(self) -> None:
        key = self.bucket.settings.key(f"check/{secrets.token_hex(8)}")
        try:
            await self.objects.put(key, _PROBE, write_id="")
            read = b"".join([chunk async for chunk in self.objects.read(key, start=0, end=None)])
            await self.objects.delete(key)
        except ObjectMissing:
            await self.bucket.require()
            raise StorageUnavailable("The object store does not return what was stored.") from None
        if read != _PROBE:
            raise StorageUnavailable("The object store does not return what was stored.")

    async def _end(self) -> None:
        """Let what interrupted writes left be removed for a moment; then it is left to the sweeper."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._bounds.cleaning.total_seconds()):
                await self._background.close()
        await self._background.cancel()

    def _key(self, key: MediaKey) -> str:
        return self.bucket.settings.key(str(key))

    def _note(self, key: MediaKey) -> str:
        return self.bucket.settings.key(f"{_NOTES}/{key.kind}.{key.name}")

    async def _delete(self, key: str) -> None:
        try:
            await self.objects.delete(key)
        except ObjectMissing:
            await self.bucket.require()

    async def _missing(self, key: MediaKey) -> MediaNotFound | S3Unavailable:
        """The error for a file that is not there: the whole store is away where its bucket is missing too."""
        try:
            await self.bucket.require()
        except S3Unavailable as error:
            return error
        return MediaNotFound(f"There is no file {key}.")
