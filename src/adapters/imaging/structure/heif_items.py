"""The items of a HEIC/HEIF file and how they are made of each other, held against the limits."""

from __future__ import annotations

from typing import NamedTuple

from ....core.domain.errors import UnsupportedMediaType
from ..bounds import ACCEPTED, undecodable
from ..sniffing import AVIF
from . import colour
from .cursor import Cursor
from .findings import Findings

_HEVC, _AV1 = frozenset({b"hvc1", b"hev1"}), frozenset({b"av01"})
_DERIVED = frozenset({b"grid", b"iden", b"tmap"})
_METADATA = frozenset({b"Exif", b"mime", b"uri "})
_HIDDEN_TYPE = b"skip"

_MAX_TILE_SHARE = 2
_SPARE_TILE_PIXELS = 4_000_000
"""Coded pixels of a picture in tiles, as a multiple of its own and apart from that: tiles reach over its edge."""

_MAX_DATA_SHARE = 4
"""Bytes that the items claim, as a multiple of the file: some share theirs."""


class Property(NamedTuple):
    """A property of items: its type and the numbers in it that count."""

    kind: bytes
    values: tuple[int, ...]


class Items:
    """What was read of the items so far; `check` holds it together at the end."""

    def __init__(self, found: Findings) -> None:
        self.primary: int | None = None
        self.properties: list[Property] = []
        self.data_start: int | None = None
        self._found = found
        self._coded = _AV1 if found.mime == AVIF else _HEVC
        self._kinds: dict[int, bytes] = {}
        self._hidden: set[int] = set()
        self._associated: dict[int, list[int]] = {}
        self._made_of: dict[int, list[int]] = {}
        self._parts: set[int] = set()
        self._masks: set[int] = set()
        self._grid_at: dict[int, tuple[int, int]] = {}
        self._claimed_bytes = 0
        self._data_end = 0

    def add(self, item: int, kind: bytes, *, kind_at: int, is_hidden: bool) -> None:
        """Note an item. Its type can be overwritten at `kind_at`, so that a decoder passes over it."""
        self._kinds[item] = kind
        if is_hidden:
            self._hidden.add(item)
        if kind in _METADATA:
            self._found.hidden.append(kind_at)

    def refer(self, kind: bytes, source: int, targets: list[int]) -> None:
        """Note a reference: `dimg` from a picture to its parts, others from a thumbnail or mask to its picture."""
        if kind == b"dimg":
            self._made_of.setdefault(source, []).extend(targets)
            self._parts.update(targets)
        elif kind in (b"thmb", b"auxl"):
            self._parts.add(source)
            if kind == b"auxl":
                self._masks.add(source)

    def associate(self, item: int, index: int) -> None:
        """Note that an item has a property, by its number from 1."""
        self._associated.setdefault(item, []).append(index)

    def locate(self, item: int, method: int, offset: int, length: int) -> None:
        """Note where a part of an item's data is: in the file (method 0), or in the `idat` box (1)."""
        self._claimed_bytes += length
        if method == 0:
            self._data_end = max(self._data_end, offset + length)
        self._grid_at.setdefault(item, (method, offset))

    def check(self, cursor: Cursor, *, end: int) -> None:
        """Find size and frames. Raises UndecodableImage, UnsupportedMediaType, ImageTooLarge.

        `end` is that of what was read. What only the whole file shows is looked at last: the error is the same for a
        file that is still arriving.
        """
        primary = self.primary
        if primary is None or primary not in self._kinds:
            raise undecodable(self._found.mime)
        self._check_kinds(primary)
        for item, parts in self._made_of.items():
            if self._kinds.get(item) == b"grid":
                self._check_tiles(item, parts)
        pictures = [
            item
            for item, kind in self._kinds.items()
            if (kind in self._coded or kind in _DERIVED) and item not in self._parts and item not in self._hidden
        ]
        self._found.found_frames(len(pictures))
        self._found.found_size(*self._shown_size(primary))
        self._find_colour(primary)
        if cursor.is_final:
            self._check_whole(cursor, end)
        self._found.is_whole = True

    def _check_whole(self, cursor: Cursor, end: int) -> None:
        """Require that the items' bytes are there, and that pictures in tiles say the same size twice."""
        last = max(end, self._data_end)
        if last > cursor.size or self._claimed_bytes > _MAX_DATA_SHARE * cursor.size:
            raise undecodable(self._found.mime)
        for item in self._made_of:
            if self._kinds.get(item) == b"grid":
                size = self._grid_size(item, cursor)
                if size is not None and size != self._stored_size(item):
                    raise undecodable(self._found.mime)

    def _check_kinds(self, primary: int) -> None:
        """Require that pictures are coded, or tiles of coded ones: nothing is made of what is itself made of others."""
        kind = self._kinds[primary]
        if kind not in self._coded and kind not in (b"grid", b"iden"):
            name = kind.decode("ascii", "replace")
            raise UnsupportedMediaType(f"The HEIF file holds a picture of the type {name!a}. {ACCEPTED}")
        for item, parts in self._made_of.items():
            derived = self._kinds.get(item)
            allowed = self._coded if derived == b"grid" else self._coded | {b"grid"}
            if any(self._kinds.get(part) not in allowed for part in parts if derived in (b"grid", b"iden")):
                raise undecodable(self._found.mime)
            if derived == b"iden" and len(parts) != 1:
                raise undecodable(self._found.mime)
        masks = {self._kinds.get(item) for item in self._masks}
        if b"iovl" in self._kinds.values() or not masks <= self._coded | {b"grid"}:
            raise undecodable(self._found.mime)

    def _check_tiles(self, item: int, parts: list[int]) -> None:
        """Require that tiles cover about the picture."""
        self._found.steps += len(parts)
        areas = {part: self._stored_area(part) for part in set(parts)}
        area = self._stored_area(item)
        if sum(areas[part] for part in parts) > _MAX_TILE_SHARE * area + _SPARE_TILE_PIXELS:
            raise undecodable(self._found.mime)

    def _grid_size(self, item: int, cursor: Cursor) -> tuple[int, int] | None:
        """The size that a grid itself states; None where its bytes are not at hand."""
        method, offset = self._grid_at.get(item, (0, 0))
        if method == 1 and self.data_start is not None:
            offset += self.data_start
        elif method != 0:
            return None
        at = offset - (cursor.size - len(cursor.block))
        if at < 0:
            return None
        grid = cursor.block[at : at + 12]
        size = 4 if len(grid) > 1 and grid[1] & 1 else 2
        if len(grid) < 4 + 2 * size:
            raise undecodable(self._found.mime)
        return int.from_bytes(grid[4 : 4 + size], "big"), int.from_bytes(grid[4 + size : 4 + 2 * size], "big")

    def _properties_of(self, item: int) -> list[Property]:
        indexes = self._associated.get(item, [])
        return [self.properties[index - 1] for index in indexes if 0 < index <= len(self.properties)]

    def _find_colour(self, primary: int) -> None:
        """Note what the picture says of its colours, or else what its first part says.

        A profile goes before numbers, unless these stand for more than a screen shows.
        """
        for item in (primary, *self._made_of.get(primary, [])[:1]):
            properties = {entry.kind: entry.values for entry in reversed(self._properties_of(item))}
            if b"nclx" in properties:
                primaries, transfer = properties[b"nclx"]
                self._found.colour = colour.from_numbers(primaries, transfer)
            if b"prof" in properties and not (self._found.colour and self._found.colour.is_hdr):
                self._found.profile = [(properties[b"prof"][0], properties[b"prof"][1])]
            if b"nclx" in properties or b"prof" in properties:
                return

    def _stored_size(self, item: int) -> tuple[int, int]:
        sizes = (entry.values for entry in self._properties_of(item) if entry.kind == b"ispe")
        width, height = next(sizes, (0, 0))
        return width, height

    def _stored_area(self, item: int) -> int:
        width, height = self._stored_size(item)
        return width * height

    def _shown_size(self, item: int) -> tuple[int, int]:
        """The size after turns and crops, in the order of the properties."""
        width, height = self._stored_size(item)
        for kind, values in self._properties_of(item):
            if kind == b"irot" and values[0] % 2:
                width, height = height, width
            elif kind == b"clap" and values[1] and values[3]:
                width = min(width, max(1, _rounded(values[0], values[1])))
                height = min(height, max(1, _rounded(values[2], values[3])))
        return width, height


def _rounded(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def without_metadata(data: bytes, hidden: list[int]) -> bytes:
    """The same file, in which a decoder does not find its metadata: all else stays where it was."""
    if not hidden:
        return data
    changed = bytearray(data)
    for at in hidden:
        changed[at : at + 4] = _HIDDEN_TYPE
    return bytes(changed)
