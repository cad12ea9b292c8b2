"""A file on its way into the store: written where nobody looks, checksummed on the way, shown whole or not at all.

Everything here blocks and is called in a thread.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path


class PartialFile:
    """One file under a random name in the folder of partial files. Methods raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / secrets.token_hex(16)
        self._file: int | None = None
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The checksum of what was counted so far, in hex."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Append, and count it in the checksum."""
        self.count(data)
        self._append(data)

    def count(self, data: bytes) -> None:
        """Count these bytes in the checksum: for the last ones, while another thread publishes them."""
        self._digest.update(data)

    def publish(self, rest: bytes, target: Path) -> None:
        """Append the rest, make it durable and let it be seen under its name, in place of what was there.

        The rest is not counted in the checksum.
        """
        descriptor = self._append(rest)
        os.fsync(descriptor)
        os.close(descriptor)
        self._file = None
        self._path = self._path.rename(target)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _append(self, data: bytes) -> int:
        """The descriptor of the file, which is made on the first call."""
        if self._file is None:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        left = memoryview(data)
        while left:
            left = left[os.write(self._file, left) :]
        return self._file

    def discard(self) -> None:
        """Remove the file, published or not; does nothing where nothing was written."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        with suppress(FileNotFoundError):
            self._path.unlink()
