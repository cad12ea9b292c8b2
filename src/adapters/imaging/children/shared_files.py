"""Bytes that travel between a process and a child: files without a name, in memory, written again for each task.

Pages that are new to a process cost more than a copy does, so a file is kept for the next task.
"""

from __future__ import annotations

import os
import stat
import tempfile

from .limits import MAX_FILE_BYTES, MIB
from .messages import WHOLE, BrokenFrame

KEPT_BYTES = 16 * MIB
"""A file that has become larger is emptied before it is used again."""


class SharedFiles:
    """The files in one direction of one child; not safe to share between tasks."""

    def __init__(self) -> None:
        self._files: list[int] = []

    def file(self, index: int) -> int:
        """The open file for the content of this number."""
        while index >= len(self._files):
            self._files.append(_nameless_file())
        return self._files[index]

    def close(self) -> None:
        """Close all files; what is written in copies of them by others goes on."""
        while self._files:
            os.close(self._files.pop())


def write_content(file: int, content: bytes) -> None:
    """Write the content of a file from its start; what is left of an earlier, longer one does not count. OSError."""
    if os.fstat(file).st_size > KEPT_BYTES:
        os.ftruncate(file, 0)
    at, view = 0, memoryview(content)
    while at < len(view):
        at += os.pwrite(file, view[at:], at)


def content_of(file: int, size: int = WHOLE) -> bytes:
    """The first `size` bytes of an open regular file.

    BrokenFrame where it is not regular, has fewer, or where that is more than MAX_FILE_BYTES; OSError.
    """
    facts = os.fstat(file)
    if size == WHOLE:
        size = facts.st_size
    if not stat.S_ISREG(facts.st_mode) or not 0 <= size <= min(facts.st_size, MAX_FILE_BYTES):
        raise BrokenFrame("a file is not regular, too short or too large")
    content = os.pread(file, size, 0)
    while len(content) < size:
        if not (more := os.pread(file, size - len(content), len(content))):
            raise BrokenFrame("a file has become shorter")
        content += more
    return content


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("picture", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
