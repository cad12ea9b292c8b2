"""The MediaStore port on a folder: one sub-folder for each kind, each file published whole by an atomic rename."""

from __future__ import annotations

import asyncio
import errno
import functools
import logging
import os
import secrets
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import ParamSpec, TypeVar

from ...core.domain.errors import MediaNotFound, PayloadTooLarge, StorageUnavailable
from ...core.domain.media import MediaKey, MediaKind, StoredFile
from ...core.ports.media_store import FaultHandler
from ...core.ports.telemetry import Telemetry
from ...core.services.support.concurrency import wait_to_the_end
from ...core.services.support.null_telemetry import NULL_TELEMETRY
from ..atomic_file import sync_folder
from ..private_folder import FolderNotPrivate, make_private
from .cached_read import read_cached
from .partial import PartialFile

_PARTIAL = ".partial"
_NOTES = ".unrecorded"

_CHUNK_BYTES = 128 * 1024
"""Minimum size of a write in a thread while a file arrives."""

_MAX_WAITING_BYTES = 512 * 1024
"""Maximum size that waits while earlier bytes are written."""

_READ_BYTES = 128 * 1024
"""Size of one read. Two of them wait for a client that does not read, and there may be hundreds of those."""

_MAX_NOTED = 5_000

_NOT_THERE = frozenset({errno.ENOENT, errno.ELOOP})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_PROBE = b"photochanger"

_P = ParamSpec("_P")
_T = TypeVar("_T")

_log = logging.getLogger("photochanger.media")


class FilesystemMediaStore:
    """The MediaStore port under one root folder, which only this user may enter.

    Files lie at `root/kind/name`; what is being written lies in `root/.partial`, so both must be one file system. Notes
    are empty files in `root/.unrecorded`.
    """

    def __init__(self, root: Path, *, telemetry: Telemetry = NULL_TELEMETRY) -> None:
        """Make the folders that are missing, and close them to other accounts.

        StorageUnavailable where they cannot be made; FolderNotPrivate where the root is open to other accounts and may
        be theirs.
        """
        self._root = root
        self._telemetry = telemetry
        self._partial = root / _PARTIAL
        self._notes = root / _NOTES
        try:
            make_private(root, marks=[_PARTIAL], usual=[_NOTES, *MediaKind])
            for folder in (self._partial, self._notes, *(root / kind for kind in MediaKind)):
                make_private(folder)
        except FolderNotPrivate:
            raise  # with its text, which says what to do
        except OSError as error:
            raise _unavailable(error) from error

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
        partial = PartialFile(self._partial)
        writing: _Write | None = None
        try:
            size_bytes, waiting_bytes = 0, 0
            waiting: list[bytes] = []
            async for chunk in data:
                size_bytes += len(chunk)
                if size_bytes > max_bytes:
                    raise PayloadTooLarge(f"More than the {max_bytes} bytes that are accepted arrived.")
                free = writing is None or writing.is_done
                if waiting_bytes >= (_CHUNK_BYTES if free else _MAX_WAITING_BYTES):
                    if writing is not None:
                        await writing.end(on_fault)
                    writing = _Write(partial.write, b"".join(waiting))  # while the next bytes arrive
                    waiting, waiting_bytes = [], 0
                waiting.append(chunk)
                waiting_bytes += len(chunk)
            if writing is not None:
                await writing.end(on_fault)
            rest = b"".join(waiting)
            writing = _Write(partial.publish, rest, self._path(key))
            await _in_thread(partial.count, rest)  # while the disk is waited for
            await writing.end(on_fault)
        except BaseException:
            # Cancellation may come again and again meanwhile; it goes on once nothing is left.
            again = await writing.finished() if writing is not None else None
            await _discard(partial)
            if again is not None:
                raise again from None
            raise
        self._telemetry.media_stored(kind, size_bytes)
        return StoredFile(key, size_bytes, partial.sha256)

    async def size(self, key: MediaKey) -> int:
        return (await _in_thread(self._facts, key)).st_size

    async def open(self, key: MediaKey, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        if start < 0 or (end is not None and end < 0):
            raise ValueError("a range is counted from the start of the file")
        opened: list[int] = []
        reading: asyncio.Future[bytes] | bytes | None = None
        try:
            wanted = _wanted(start, end)
            reading = _begin(self._read, key, opened, wanted, start)
            while reading is not None:
                chunk = reading if isinstance(reading, bytes) else await _outcome(reading)
                start += len(chunk)
                at_end = len(chunk) < wanted or (end is not None and start >= end)
                wanted = _wanted(start, end)
                # Read while the reader is busy with what it has.
                reading = None if at_end else self._read_on(key, opened, wanted, start)
                if chunk:
                    yield chunk
                    await asyncio.sleep(0)  # a reader that never waits does not hold up others
        finally:
            again = None if reading is None or isinstance(reading, bytes) else await wait_to_the_end(reading)
            for descriptor in opened:
                os.close(descriptor)
            if again is not None:
                raise again

    @asynccontextmanager
    async def local(self, key: MediaKey) -> AsyncIterator[Path]:
        try:
            self._facts(key)  # one look at an inode that was just written, or is read next: not worth a hop
            yield self._path(key)
        except FileNotFoundError:  # in the block, where the file was read
            raise self._missing(key) from None
        except OSError as error:
            raise _unavailable(error) from error

    async def delete(self, key: MediaKey) -> None:
        def delete() -> int | None:
            path = self._path(key)
            try:
                size_bytes = os.lstat(path).st_size
                path.unlink()
            except FileNotFoundError:
                self._require_folder(key)
                return None
            return size_bytes

        if (removed_bytes := await _in_thread(delete)) is not None:
            self._telemetry.media_removed(key.kind, removed_bytes)

    async def link(
        self, key: MediaKey, *, valid_for: timedelta, media_type: str, disposition: str | None = None
    ) -> str | None:
        return None

    async def note(self, key: MediaKey) -> None:
        def write() -> None:
            (self._notes / f"{key.kind}.{key.name}").touch(mode=0o600)
            sync_folder(self._notes)

        await _in_thread(write)

    async def noted(self) -> list[MediaKey]:
        names = await _in_thread(os.listdir, self._notes)
        return [MediaKey.parse(name.replace(".", "/", 1)) for name in names[:_MAX_NOTED]]

    async def remove_note(self, key: MediaKey) -> None:
        await _in_thread(lambda: (self._notes / f"{key.kind}.{key.name}").unlink(missing_ok=True))

    async def is_empty(self) -> bool:
        """Whether there is no file at all, of whatever name."""

        def has_none() -> bool:
            return not any(files for kind in MediaKind for *_, files in os.walk(self._root / kind))

        return await _in_thread(has_none)

    async def remove_partial(self, *, older_than: datetime) -> int:
        def remove() -> int:
            names = _files_older_than(self._partial, older_than)
            for name in names:
                (self._partial / name).unlink(missing_ok=True)
            return len(names)

        return await _in_thread(remove)

    async def free_bytes(self) -> int | None:
        def free() -> int:
            facts = os.statvfs(self._root)
            return facts.f_bavail * facts.f_frsize  # what this user may take, not what is kept back for root

        return await _in_thread(free)

    async def check(self) -> None:
        def write_and_read() -> None:
            for kind in MediaKind:
                os.stat(self._root / kind)
            probe = self._partial / f"check-{secrets.token_hex(8)}"
            try:
                probe.write_bytes(_PROBE)
                if probe.read_bytes() != _PROBE:
                    raise OSError(errno.EIO, "read back something else than was written")
            finally:
                probe.unlink(missing_ok=True)

        await _in_thread(write_and_read)

    def _path(self, key: MediaKey) -> Path:
        return self._root / key.kind / key.name

    def _facts(self, key: MediaKey) -> os.stat_result:
        try:
            facts = os.lstat(self._path(key))
        except FileNotFoundError:
            raise self._missing(key) from None
        if not stat.S_ISREG(facts.st_mode):
            raise self._missing(key)
        return facts

    def _missing(self, key: MediaKey) -> MediaNotFound | StorageUnavailable:
        """The error for a file that is not there: the whole store is away where its folder is missing too."""
        try:
            self._require_folder(key)
        except OSError as error:
            return _unavailable(error)
        return MediaNotFound(f"There is no file {key}.")

    def _require_folder(self, key: MediaKey) -> None:
        os.stat(self._root / key.kind)

    def _read(self, key: MediaKey, opened: list[int], count: int, start: int) -> bytes:
        """This part of the file; the first call opens it and notes its descriptor in `opened`."""
        if not opened:
            self._open(key, opened)
        return os.pread(opened[0], count, start)

    def _read_on(self, key: MediaKey, opened: list[int], count: int, start: int) -> asyncio.Future[bytes] | bytes:
        """A further part of the file: at once where it is in memory, else the read that has begun."""
        left = max(os.fstat(opened[0]).st_size - start, 0)
        cached = read_cached(opened[0], min(count, left), start)
        return cached if cached is not None else _begin(self._read, key, opened, count, start)

    def _open(self, key: MediaKey, opened: list[int]) -> None:
        """Open the file itself; symbolic links are not followed."""
        try:
            opened.append(os.open(self._path(key), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC))
        except OSError as error:
            if error.errno in _NOT_THERE:
                raise self._missing(key) from None
            raise
        if not stat.S_ISREG(os.fstat(opened[0]).st_mode):
            raise self._missing(key)


class _Write:
    """A write in a thread, which is made again after a fault. The same call can be made any number of times."""

    def __init__(self, call: Callable[_P, None], *args: _P.args, **kwargs: _P.kwargs) -> None:
        self._call = functools.partial(call, *args, **kwargs)
        self._work = _begin(self._call)

    @property
    def is_done(self) -> bool:
        return self._work.done()

    async def end(self, on_fault: FaultHandler | None) -> None:
        """Return once it is written. StorageUnavailable, and what `on_fault` raises."""
        while True:
            try:
                return await _outcome(self._work)
            except StorageUnavailable as error:
                if on_fault is None:
                    raise
                await on_fault(error)
                self._work = _begin(self._call)

    async def finished(self) -> asyncio.CancelledError | None:
        """Wait for the thread; see `wait_to_the_end`."""
        return await wait_to_the_end(self._work)


def _wanted(start: int, end: int | None) -> int:
    return _READ_BYTES if end is None else min(max(end - start, 0), _READ_BYTES)


async def _discard(partial: PartialFile) -> None:
    """Remove what an interrupted write left. A failure here is only logged: the write's own error matters."""
    try:
        await _in_thread(partial.discard)
    except StorageUnavailable as error:
        _log.warning("a partial file is left to the sweeper: %s", error.detail)


async def _in_thread(call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Run off the event loop, to its end even if cancelled: nothing may touch a file that a thread still works on."""
    return await _outcome(_begin(call, *args, **kwargs))


def _begin(call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> asyncio.Future[_T]:
    """Start in a thread this moment; `_outcome` waits for it."""
    return asyncio.get_running_loop().run_in_executor(None, functools.partial(call, *args, **kwargs))


async def _outcome(work: asyncio.Future[_T]) -> _T:
    if (cancelled := await wait_to_the_end(work)) is not None:
        raise cancelled
    error = work.exception()
    if isinstance(error, OSError):
        raise _unavailable(error) from error
    return work.result()


def _files_older_than(folder: Path, moment: datetime) -> list[str]:
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                facts = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # deleted meanwhile
            if stat.S_ISREG(facts.st_mode) and facts.st_mtime < moment.timestamp():
                names.append(entry.name)
    return names


def _unavailable(error: OSError) -> StorageUnavailable:
    """The error for readers outside: what is wrong, and nothing of where things lie."""
    if error.errno in _FULL:
        return StorageUnavailable("The media store has no space left.")
    if error.errno == errno.EROFS:
        return StorageUnavailable("The media store is read-only.")
    return StorageUnavailable("The media store cannot be read or written right now.")
