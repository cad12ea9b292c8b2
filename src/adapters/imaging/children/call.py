"""A task as the function that does it sees it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from .shared_files import content_of


class Answer(NamedTuple):
    """What the function of a task returns.

    Attributes:
        later: makes one more content once the rest has been sent, or None where it has none.
    """

    header: bytes
    contents: Sequence[bytes] = ()
    later: Callable[[], bytes | None] | None = None


class Call:
    """The arguments of a task; the files belong to its caller.

    Attributes:
        header: the function's own arguments, encoded as it likes.
    """

    def __init__(self, header: bytes, files: Sequence[int], sizes: Sequence[int], claim: Callable[[int], None]) -> None:
        self.header = header
        self._files = files
        self._sizes = sizes
        self._claim = claim

    def claim(self, pixels: int) -> None:
        """Wait until this many pixels may be decoded, and get memory and time for them. Once, before decoding."""
        self._claim(pixels)

    def content(self, index: int) -> bytes:
        """The bytes of a file. OSError."""
        return content_of(self._files[index], self._sizes[index])

    def path(self, index: int) -> Path:
        """A path under which a file that was sent whole can be opened, as long as the task lasts."""
        return Path("/dev/fd", str(self._files[index]))

    def start(self, index: int, size: int, *, at: int = 0) -> bytes:
        """Some bytes of a file. OSError."""
        return os.pread(self._files[index], size, at)
