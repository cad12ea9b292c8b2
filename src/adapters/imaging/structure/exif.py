"""The one thing that pixels need from EXIF: the orientation."""

from __future__ import annotations

import struct

_PREFIX = b"Exif\0\0"
_ORIENTATION = 0x0112
_SHORT = 3
_MAX_ENTRIES = 512


def orientation_of(data: bytes) -> int:
    """The orientation in the first directory of EXIF data, 1 to 8; 1 where there is none that counts."""
    tiff = data.removeprefix(_PREFIX)
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return 1
    (at,) = struct.unpack_from(f"{order}I", tiff, 4)
    if at + 2 > len(tiff):
        return 1
    (entries,) = struct.unpack_from(f"{order}H", tiff, at)
    entry = struct.Struct(f"{order}HHIH")
    for start in range(at + 2, at + 2 + min(entries, _MAX_ENTRIES) * 12, 12):
        if start + 12 > len(tiff):
            return 1
        tag, kind, _, value = entry.unpack_from(tiff, start)
        if tag == _ORIENTATION:
            return value if kind == _SHORT and 1 <= value <= 8 else 1
    return 1
