"""Copies of files on this machine's disk, for programs that need a path: few, private, and gone after their use."""

from __future__ import annotations

import asyncio
import fcntl
import functools
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import ParamSpec

from ...core.domain.errors import StorageUnavailable
from ...core.domain.media import MediaKey
from ...core.ports.media_store import MediaStore
from ...core.services.support.concurrency import wait_to_the_end

_NAME = "photochanger-copies-"
_LOCK = ".lock"

_P = ParamSpec("_P")


class LocalCopies:
    """A folder of this process for copies of at most `max_bytes` together."""

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._held_bytes = 0

    @classmethod
    @contextmanager
    def in_folder(cls, parent: Path, *, max_bytes: int) -> Iterator[LocalCopies]:
        """A new folder below this one while the block lasts. Those of processes that were killed are removed.

        Blocks. StorageUnavailable.
        """
        try:
            parent.mkdir(parents=True, exist_ok=True)
            _remove_left(parent)
            folder, lock = _locked_folder(parent)
        except OSError as error:
            raise _unusable(error) from error
        try:
            yield cls(folder, max_bytes=max_bytes)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)

    @asynccontextmanager
    async def copy(self, store: MediaStore, key: MediaKey) -> AsyncIterator[Path]:
        """A copy of the file while the block lasts. MediaNotFound; StorageUnavailable, also where there is no room."""
        size_bytes = await store.size(key)
        if self._held_bytes + size_bytes > self._max_bytes:
            raise StorageUnavailable("There are too many copies of files on this machine's disk.")
        self._held_bytes += size_bytes
        path = self._folder / f"{secrets.token_hex(8)}-{key.name}"
        try:
            await _in_thread(_append, path, b"")
            async for chunk in store.open(key, end=size_bytes):
                await _in_thread(_append, path, chunk)
            yield path
        except OSError as error:
            raise _unusable(error) from error
        finally:
            self._held_bytes -= size_bytes
            await _in_thread(_remove, path)


def _locked_folder(parent: Path) -> tuple[Path, int]:
    """A new folder, and the descriptor that holds its lock until it is closed."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_NAME, dir=parent))
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / _LOCK).exists():
            return folder, lock
        os.close(lock)  # another process took the folder for one that was left before its lock was held


async def _in_thread(call: Callable[_P, None], *args: _P.args, **kwargs: _P.kwargs) -> None:
    """Run off the event loop, to its end even if cancelled: the file is removed after that."""
    work = asyncio.get_running_loop().run_in_executor(None, functools.partial(call, *args, **kwargs))
    if (cancelled := await wait_to_the_end(work)) is not None:
        raise cancelled
    work.result()


def _append(path: Path, data: bytes) -> None:
    with path.open("ab", buffering=0) as file:
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _remove_left(parent: Path) -> None:
    """Remove the folders whose process has ended: nothing holds their lock."""
    for folder in parent.glob(f"{_NAME}*"):
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue  # another account's, or one that is just being made
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(lock)


def _unusable(error: OSError) -> StorageUnavailable:
    return StorageUnavailable(f"The folder for copies of files cannot be used ({error.strerror}).")
