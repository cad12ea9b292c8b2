"""Moving all files from one media store to another, file by file, each deleted only once its copy is verified."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

import msgspec

from ...domain.deadlines import ORPHAN_GRACE
from ...domain.errors import MediaNotFound, StorageUnavailable
from ...domain.media import MediaKey, MediaKind, OwnedFile
from ...ports.clock import Clock
from ...ports.media_store import MediaStore
from ...ports.repositories.file_records import BegunFiles, OwnedFiles
from ..maintenance.orphans import OrphanFiles

_log = logging.getLogger("photochanger.media")

_CONCURRENT = 8
_MAX_RECORDS = 100_000


class MoveReport(msgspec.Struct):
    """What a move has done so far.

    Attributes:
        moved, moved_bytes: files copied and deleted at their source.
        there: files that were in the target already; a copy at the source is deleted.
        missing: files that a row owns and neither store has.
        damaged: files whose content is not what their row says; they stay at the source.
    """

    moved: int = 0
    moved_bytes: int = 0
    there: int = 0
    missing: int = 0
    damaged: int = 0


class MediaMove:
    """Moves the files that rows own.

    It can be ended at any moment and begun again. Methods may raise QueueUnavailable and StorageUnavailable.
    """

    def __init__(
        self,
        source: MediaStore,
        target: MediaStore,
        *,
        owned: OwnedFiles,
        begun: BegunFiles,
        orphans: OrphanFiles,
        clock: Clock,
    ) -> None:
        self._source = source
        self._target = target
        self._owned = owned
        self._begun = begun
        self._orphans = orphans
        self._clock = clock
        self.report = MoveReport()

    async def run(self, show: Callable[[MoveReport], None]) -> None:
        """Move everything, and delete at the source what has no owner. `show` gets the report after each few files."""
        for kind in MediaKind:
            async for files in _batches(self._owned.of_kind(kind)):
                await asyncio.gather(*map(self._move, files))
                show(self.report)
        await self._delete_orphans()

    async def _move(self, file: OwnedFile) -> None:
        key = file.key
        size_bytes = await _size(self._source, key)
        copied_bytes = await _size(self._target, key)
        if copied_bytes is not None and file.size_bytes in (None, copied_bytes):
            self.report.there += 1
            if size_bytes is not None:
                await self._source.delete(key)
        elif size_bytes is not None:
            await self._copy(file, size_bytes)
        elif file.size_bytes is not None:
            _log.warning("file %s is in neither store", key)
            self.report.missing += 1

    async def _copy(self, file: OwnedFile, size_bytes: int) -> None:
        key = file.key
        try:
            stored = await self._target.put(key.kind, key.name, self._source.open(key), max_bytes=size_bytes)
        except MediaNotFound:
            return  # deleted meanwhile, as its row is
        if file.size_bytes not in (None, stored.size_bytes) or file.sha256 not in (None, stored.sha256):
            _log.error("file %s is damaged: its content is not what was stored; it is left where it is", key)
            self.report.damaged += 1
            await self._target.delete(key)
            return
        if await self._target.size(key) != size_bytes:
            raise StorageUnavailable(f"The copy of file {key} has another size. Nothing was deleted; try again.")
        await self._source.delete(key)
        self.report.moved += 1
        self.report.moved_bytes += size_bytes

    async def _delete_orphans(self) -> None:
        """Delete files without an owner at the source. Their records stay: they may be of files in the target."""
        before = self._clock.now() - ORPHAN_GRACE
        for kind in MediaKind:
            keys = await self._begun.before(before, kind, limit=_MAX_RECORDS)
            for key in await self._orphans.unowned(kind, keys):
                await self._source.delete(key)


async def _size(store: MediaStore, key: MediaKey) -> int | None:
    """The size of the file; None where there is none."""
    try:
        return await store.size(key)
    except MediaNotFound:
        return None


async def _batches(files: AsyncIterator[OwnedFile]) -> AsyncIterator[list[OwnedFile]]:
    batch: list[OwnedFile] = []
    async for file in files:
        batch.append(file)
        if len(batch) == _CONCURRENT:
            yield batch
            batch = []
    if batch:
        yield batch
