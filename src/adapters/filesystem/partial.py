"""A file on its way into the store: written in a folder of its own, checksummed, published complete or not at all.

All methods block; call them in a thread. Each can be called again after it has failed, with the same arguments.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path

from ..atomic_file import sync_folder

_COPIED_BYTES = 1024 * 1024


class PartialFile:
    """One file under a random name in the folder of partial files. Methods raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = self._new_path()
        self._file: int | None = None
        self._size_bytes = 0
        self._digest = hashlib.sha256()
        self._is_suspect = False
        """A flush has failed: the system may count bytes as written that are not; another flush proves nothing."""

    @property
    def sha256(self) -> str:
        """The checksum of the bytes counted so far, in hex."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Append these bytes and count them in the checksum."""
        self._write_at(self._size_bytes, data)
        self._size_bytes += len(data)
        self.count(data)

    def count(self, data: bytes) -> None:
        """Count these bytes in the checksum only: for the last ones, while another thread publishes them."""
        self._digest.update(data)

    def publish(self, rest: bytes, target: Path) -> None:
        """Append the rest, make the file durable and move it to `target`, which it replaces.

        The rest is not counted in the checksum. After a failure the checksum must be complete for another call.
        """
        if self._path != target:
            if self._is_suspect:
                self._copy(self._size_bytes + len(rest))
            descriptor = self._write_at(self._size_bytes, rest)
            try:
                os.fsync(descriptor)
            except OSError:
                self._is_suspect = True
                raise
            self._path.replace(target)
            self._path = target
        sync_folder(target.parent)
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def discard(self) -> None:
        """Remove the file, published or not; does nothing if nothing was written."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        with suppress(FileNotFoundError):
            self._path.unlink()

    def _write_at(self, offset: int, data: bytes) -> int:
        """Write these bytes there; returns the descriptor of the file, which the first call creates."""
        if self._file is None:
            self._file = _create(self._path)
        _write_at(self._file, offset, data)
        return self._file

    def _copy(self, size_bytes: int) -> None:
        """Go on with a copy of the file under another name, if its bytes can be read back as they arrived."""
        assert self._file is not None, "a flush that failed had a file"
        path, digest = self._new_path(), hashlib.sha256()
        copy = _create(path)
        try:
            at = 0
            while at < size_bytes:
                data = os.pread(self._file, min(_COPIED_BYTES, size_bytes - at), at)
                if not data:
                    break
                digest.update(data)
                _write_at(copy, at, data)
                at += len(data)
            if digest.digest() != self._digest.digest():
                raise OSError(errno.EIO, "read back something else than was written")
        except BaseException:
            os.close(copy)
            path.unlink()
            raise
        os.close(self._file)
        with suppress(OSError):  # the sweeper removes it
            self._path.unlink()
        self._file, self._path, self._is_suspect = copy, path, False

    def _new_path(self) -> Path:
        return self._folder / secrets.token_hex(16)


def _create(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def _write_at(descriptor: int, offset: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        written = os.pwrite(descriptor, left, offset)
        left, offset = left[written:], offset + written
