"""The boxes of an ISO base media file (ISO/IEC 14496-12), read one after the other."""

from __future__ import annotations

from typing import NamedTuple

from ..bounds import MAX_HEIF_BOXES, MAX_HEIF_REFERENCES, too_many, undecodable
from .cursor import Cursor, Waiting
from .findings import Findings


class Box(NamedTuple):
    """A box: `kind_at` is the offset of its type, `body` to `end` what it holds."""

    kind: bytes
    kind_at: int
    body: int
    end: int


class BoxReader:
    """Reads boxes and numbers of a HEIC/HEIF file within the bounds."""

    def __init__(self, cursor: Cursor, found: Findings) -> None:
        self.cursor = cursor
        self._found = found
        self._boxes = 0
        self._references = 0

    def next_box(self, limit: int | None) -> Waiting[Box | None]:
        """The box at the position; None at the end of its container, which is `limit`, or of the file.

        UndecodableImage for a box that reaches out of its container.
        """
        start = self.cursor.position
        if limit is not None and start >= limit:
            return None
        head = yield from self.cursor.take(8)
        if len(head) < 8:
            return None
        self._boxes += 1
        self._found.steps += 1
        if self._boxes > MAX_HEIF_BOXES:
            raise too_many(self._found.mime, "boxes", MAX_HEIF_BOXES)
        length, kind, body = int.from_bytes(head[:4], "big"), head[4:], start + 8
        if length == 1:
            length = int.from_bytes((yield from self.cursor.take(8)), "big")
            body += 8
        elif length == 0:
            length = (2**63 if limit is None else limit) - start
        end = start + length
        if end < body or (limit is not None and end > limit):
            raise undecodable(self._found.mime)
        return Box(kind, start + 4, body, end)

    def leave(self, box: Box) -> None:
        """Move behind a box."""
        self.cursor.skip_to(box.end)

    def full_box(self, box: Box) -> Waiting[tuple[int, int]]:
        """Version and flags of a full box."""
        word = yield from self.number(box, 4)
        return word >> 24, word & 0xFFFFFF

    def number(self, box: Box, size: int) -> Waiting[int]:
        """A number of `size` bytes. UndecodableImage where the box or the file ends before."""
        return int.from_bytes((yield from self.data(box, size)), "big")

    def data(self, box: Box, size: int) -> Waiting[bytes]:
        """The next bytes of a box. UndecodableImage where the box or the file ends before."""
        if self.cursor.position + size > box.end:
            raise undecodable(self._found.mime)
        data = yield from self.cursor.take(size)
        if len(data) < size:
            raise undecodable(self._found.mime)
        return data

    def count_references(self, count: int) -> None:
        """Count entries of tables. UndecodableImage for too many in the file."""
        self._references += count
        if self._references > MAX_HEIF_REFERENCES:
            raise too_many(self._found.mime, "references", MAX_HEIF_REFERENCES)
        self._found.steps += count


def numbers(table: bytes, size: int) -> list[int]:
    """The numbers of `size` bytes each in a table."""
    return [int.from_bytes(table[at : at + size], "big") for at in range(0, len(table), size)]
