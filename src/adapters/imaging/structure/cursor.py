"""A forward-only position in bytes that may still be arriving."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

_T = TypeVar("_T")

Waiting = Generator[None, None, _T]
"""A computation that yields where it needs bytes that have not arrived."""


class Cursor:
    """The bytes from a position on. What was read or skipped is not kept, nor waited for in memory.

    Parsers are generators that move a cursor and yield where it needs more bytes, or a pause. Over bytes in memory
    nothing is copied but what is taken, and nothing yields.

    Attributes:
        block: the bytes at hand.
        at: the position in `block`; beyond its end while bytes are skipped.
        is_final: no more bytes follow `block`.
        budget: work until the next pause; set by what drives a parser.
    """

    def __init__(self, block: bytes = b"", *, is_final: bool = False) -> None:
        self.block = block
        self.at = 0
        self.is_final = is_final
        self.budget = 0
        self._start = 0
        self._pieces: list[bytes] = []
        self._pieces_bytes = 0
        self._needed = 0

    @property
    def position(self) -> int:
        """Offset from the start of the picture."""
        return self._start + self.at

    @property
    def size(self) -> int:
        """Bytes that have arrived."""
        return self._start + len(self.block) + self._pieces_bytes

    def feed(self, data: bytes) -> None:
        """Append bytes; they are put aside while a parser needs more of them at once."""
        if self.at >= len(self.block) and not self._pieces:
            self._start += len(self.block)
            self.at -= len(self.block)
            self.block = data
            return
        self._pieces.append(data)
        self._pieces_bytes += len(data)
        if len(self.block) - self.at + self._pieces_bytes >= self._needed:
            self._join()

    def end(self) -> None:
        """Note that no more bytes follow."""
        if self._pieces:
            self._join()
        self.is_final = True

    def skip(self, count: int) -> None:
        """Move on, also beyond what has arrived."""
        self.at += count

    def skip_to(self, position: int) -> None:
        """Move on to an offset from the start of the picture."""
        self.at = position - self._start

    def take(self, count: int) -> Waiting[bytes]:
        """The next bytes; fewer only at the end of the picture."""
        self.budget -= 1
        while (self.budget < 0 or len(self.block) - self.at < count) and not self.is_final:
            self._needed = count
            yield
        taken = self.block[self.at : self.at + count]
        self.at += len(taken)
        return taken

    def more(self) -> Waiting[None]:
        """Wait for more bytes than are at hand."""
        self.budget = max(self.budget, 0)
        self._needed = 0
        yield

    def _join(self) -> None:
        self.block = b"".join([self.block[self.at :], *self._pieces])
        self._start += self.at
        self.at = 0
        self._pieces.clear()
        self._pieces_bytes = 0
