"""What pixels need from EXIF: the orientation, and the mark of cameras that take pictures in Adobe RGB."""

from __future__ import annotations

import struct
from typing import NamedTuple

from .colour import ADOBE_RGB, Colour

_PREFIX = b"Exif\0\0"
_ORIENTATION, _EXIF_DIRECTORY = 0x0112, 0x8769
_COLOUR_SPACE, _INTEROPERABILITY = 0xA001, 0xA005
_INTEROPERABILITY_INDEX = 0x0001
_SHORT = 3
_MAX_ENTRIES = 512

_COLOUR_SPACE_SRGB = 1
_COLOUR_SPACE_ADOBE = 2
"""Not in the standard, but written by some cameras; the standard's way is the interoperability index `R03`."""


class Exif(NamedTuple):
    """What was found: the orientation, 1 to 8 (1 where none counts), and the colour space unless it is sRGB."""

    orientation: int = 1
    colour: Colour | None = None


def read_exif(data: bytes) -> Exif:
    """Read EXIF data, with or without its prefix; what is broken in it says nothing."""
    tiff = data.removeprefix(_PREFIX)
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return Exif()
    (at,) = struct.unpack_from(f"{order}I", tiff, 4)
    first = _directory(tiff, order, at)
    orientation = 1
    if _ORIENTATION in first:
        kind, value = first[_ORIENTATION]
        (turned,) = struct.unpack_from(f"{order}H", value)
        orientation = turned if kind == _SHORT and 1 <= turned <= 8 else 1
    return Exif(orientation, ADOBE_RGB if _is_adobe_rgb(tiff, order, first) else None)


def _is_adobe_rgb(tiff: bytes, order: str, first: dict[int, tuple[int, bytes]]) -> bool:
    exif = _linked(tiff, order, first, _EXIF_DIRECTORY)
    if _COLOUR_SPACE in exif:
        (space,) = struct.unpack_from(f"{order}H", exif[_COLOUR_SPACE][1])
        if space in (_COLOUR_SPACE_SRGB, _COLOUR_SPACE_ADOBE):  # an editor may leave the camera's index where it was
            return bool(space == _COLOUR_SPACE_ADOBE)
    interoperability = _linked(tiff, order, exif, _INTEROPERABILITY)
    return interoperability.get(_INTEROPERABILITY_INDEX, (0, b""))[1][:3] == b"R03"


def _linked(tiff: bytes, order: str, directory: dict[int, tuple[int, bytes]], tag: int) -> dict[int, tuple[int, bytes]]:
    """The directory that an entry points to; empty where there is none."""
    if tag not in directory:
        return {}
    (at,) = struct.unpack(f"{order}I", directory[tag][1])
    return _directory(tiff, order, at)


def _directory(tiff: bytes, order: str, at: int) -> dict[int, tuple[int, bytes]]:
    """The entries of a directory by their tag, the first of each: type, and the four bytes of the value."""
    if at + 2 > len(tiff):
        return {}
    (entries,) = struct.unpack_from(f"{order}H", tiff, at)
    found: dict[int, tuple[int, bytes]] = {}
    for start in range(at + 2, at + 2 + min(entries, _MAX_ENTRIES) * 12, 12):
        if start + 12 > len(tiff):
            break
        tag, kind = struct.unpack_from(f"{order}HH", tiff, start)
        found.setdefault(tag, (kind, tiff[start + 8 : start + 12]))
    return found
