"""A file on its way into the store: written in a folder of its own, checksummed, published complete or not at all.

All methods block; call them in a thread.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path

from ..atomic_file import publish


class PartialFile:
    """One file under a random name in the folder of partial files. Methods raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / secrets.token_hex(16)
        self._file: int | None = None
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The checksum of the bytes counted so far, in hex."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Append these bytes and count them in the checksum."""
        self.count(data)
        self._append(data)

    def count(self, data: bytes) -> None:
        """Count these bytes in the checksum only: for the last ones, while another thread publishes them."""
        self._digest.update(data)

    def publish(self, rest: bytes, target: Path) -> None:
        """Append the rest, make the file durable and move it to `target`, which it replaces.

        The rest is not counted in the checksum.
        """
        descriptor = self._append(rest)
        publish(descriptor, self._path, target, replace=True)
        self._path = target
        self._file = None
        os.close(descriptor)

    def _append(self, data: bytes) -> int:
        """Append these bytes; returns the descriptor of the file, which the first call creates."""
        if self._file is None:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        left = memoryview(data)
        while left:
            left = left[os.write(self._file, left) :]
        return self._file

    def discard(self) -> None:
        """Remove the file, published or not; does nothing if nothing was written."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        with suppress(FileNotFoundError):
            self._path.unlink()
