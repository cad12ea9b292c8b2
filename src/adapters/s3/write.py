"""A file on its way into the bucket: by one call if it is small, else by the parts of an upload that begins meanwhile.

Two parts of a file are in memory at most: one that is being stored and one that arrives.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable

from ...core.ports.media_store import FaultHandler
from ...core.services.support.concurrency import BackgroundTasks, TaskSet, result_of, wait_to_the_end
from .bucket import Bucket, StoredPart
from .faults import S3Unavailable
from .objects import ObjectMissing, Objects
from .settings import S3Bounds

_log = logging.getLogger("photochanger.media")


class FileWrite:
    """One file under one key. `add` and `finish` raise S3Unavailable, and what `on_fault` raises."""

    def __init__(
        self, key: str, *, bucket: Bucket, objects: Objects, bounds: S3Bounds, on_fault: FaultHandler | None
    ) -> None:
        self._key = key
        self._bucket = bucket
        self._objects = objects
        self._bounds = bounds
        self._on_fault = on_fault
        self._write_id = secrets.token_hex(16)
        self._digest = hashlib.sha256()
        self._arriving = bytearray()
        self._upload_id: str | None = None
        self._parts: list[StoredPart] = []
        self._steps = TaskSet()
        self._step: Callable[[], Awaitable[None]] | None = None
        self._running: asyncio.Task[None] | None = None
        self._may_be_there = False

    async def add(self, data: bytes) -> None:
        """Take these bytes; waits where a part is full while an earlier one is still being stored."""
        left = memoryview(data)
        while left:
            if len(self._arriving) == self._bounds.part_bytes:
                await self._begin_part()
            room = self._bounds.part_bytes - len(self._arriving)
            self._arriving += left[:room]
            left = left[room:]

    async def finish(self) -> str:
        """Publish the file; returns the SHA-256 of its bytes in hex."""
        if self._running is None:
            self._begin(self._store_whole)
        else:
            if self._arriving:
                await self._begin_part()
            await self._end_step()
            self._begin(self._complete)
        await self._end_step()
        return self._digest.hexdigest()

    async def abandon(self, background: BackgroundTasks) -> asyncio.CancelledError | None:
        """Leave neither an object nor an upload; returns a cancellation that came meanwhile, for the caller to raise.

        Where the service is slow, `background` goes on with it after the time for that.
        """
        cleaning = background.start(self._clean(), name=f"removal of an interrupted write of {self._key}")
        waiting = background.start(_wait(cleaning, self._bounds), name="wait for the removal")
        return await wait_to_the_end(waiting)

    async def _begin_part(self) -> None:
        if self._running is not None:
            await self._end_step()
        data, self._arriving = self._arriving, bytearray()
        number = len(self._parts) + 1
        is_counted = False

        async def store_part() -> None:
            nonlocal is_counted
            if not is_counted:
                await asyncio.to_thread(self._digest.update, data)
                is_counted = True
            if self._upload_id is None:
                self._upload_id = await self._bucket.begin_upload(self._key, write_id=self._write_id)
            self._parts.append(await self._bucket.store_part(self._key, self._upload_id, number, data))

        self._begin(store_part)

    async def _store_whole(self) -> None:
        self._may_be_there = True
        data = bytes(self._arriving)
        self._digest = await asyncio.to_thread(hashlib.sha256, data)
        await self._objects.put(self._key, data, write_id=self._write_id)

    async def _complete(self) -> None:
        assert self._upload_id is not None, "parts have been stored"
        self._may_be_there = True
        try:
            await self._bucket.complete_upload(self._key, self._upload_id, self._parts)
        except S3Unavailable as error:
            # It was completed where the answer to an earlier call was lost.
            if error.s3_code != "NoSuchUpload" or await self._bucket.write_id_of(self._key) != self._write_id:
                raise

    def _begin(self, step: Callable[[], Awaitable[None]]) -> None:
        self._step = step

        async def run() -> None:
            await step()

        self._running = self._steps.start(run(), name=f"write of {self._key}")

    async def _end_step(self) -> None:
        """Wait for the step that runs; it is run again after a fault."""
        while True:
            assert self._running is not None
            assert self._step is not None
            try:
                return await result_of(self._running)
            except S3Unavailable as error:
                if error.s3_code == "NoSuchUpload":  # the parts are gone, and with them bytes that arrived
                    raise S3Unavailable("The object store has lost a part of the file.") from None
                if self._on_fault is None:
                    raise
                await self._on_fault(error)
                self._begin(self._step)

    async def _clean(self) -> None:
        try:
            if self._running is not None:
                await asyncio.wait([self._running])  # what it did must be known; each call ends in bounded time
            self._arriving = bytearray()
            if self._upload_id is not None:
                await self._bucket.abort_upload(self._key, self._upload_id)
            # By its id: an older file of that name, or one of a concurrent write, stays.
            if self._may_be_there and await self._bucket.write_id_of(self._key) == self._write_id:
                await self._objects.delete(self._key)
        except ObjectMissing:
            _log.warning("an interrupted write leaves nothing: the bucket is gone")
        except S3Unavailable as error:
            _log.warning("an interrupted write is left to the sweeper: %s", error.detail)
        finally:
            await self._steps.cancel()


async def _wait(cleaning: asyncio.Task[None], bounds: S3Bounds) -> None:
    await asyncio.wait([cleaning], timeout=bounds.cleaning.total_seconds())
