"""How large a picture is to be printed: 300 dpi, written into each format without coding the picture again.

JPEG and PNG have a field for it, which every picture gets. WebP has none but EXIF, so only results get it there: EXIF
of these three numbers and nothing else.
"""

from __future__ import annotations

import struct
import zlib

DPI = 300
_PER_METRE = round(DPI / 0.0254)

JFIF = b"\xff\xe0" + struct.pack(">H5sHBHHBB", 16, b"JFIF\0", 0x0101, 1, DPI, DPI, 0, 0)
"""A JFIF segment without a thumbnail: version 1.1, dots per inch."""

_PHYS = b"pHYs" + struct.pack(">IIB", _PER_METRE, _PER_METRE, 1)
PNG_CHUNK = struct.pack(">I", len(_PHYS) - 4) + _PHYS + struct.pack(">I", zlib.crc32(_PHYS))

_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
_SHORT, _RATIONAL = 3, 5
_INCH = 2
_VALUES_AT = 8 + 2 + 3 * 12 + 4

_EXIF = (
    struct.pack("<2sHIH", b"II", 42, 8, 3)
    + struct.pack("<HHII", _X_RESOLUTION, _RATIONAL, 1, _VALUES_AT)
    + struct.pack("<HHII", _Y_RESOLUTION, _RATIONAL, 1, _VALUES_AT)
    + struct.pack("<HHIHH", _RESOLUTION_UNIT, _SHORT, 1, _INCH, 0)
    + struct.pack("<III", 0, DPI, 1)
)

_VP8X_FLAGS_AT = 20
_EXIF_FLAG, _ALPHA_FLAG = 0b0000_1000, 0b0001_0000


def with_webp_density(data: bytes, width: int, height: int) -> bytes:
    """A WebP without metadata, of one still picture, with its density."""
    chunks = data[12:]
    if chunks[:4] != b"VP8X":
        # The canvas is that of the one picture; the header of a lossless one says whether it has transparency.
        has_alpha = chunks[:4] == b"VP8L" and chunks[12] & 0b0001_0000
        sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        flags = bytes([_ALPHA_FLAG if has_alpha else 0, 0, 0, 0])
        chunks = b"VP8X" + struct.pack("<I", 10) + flags + sides + chunks
    body = bytearray(b"WEBP" + chunks + b"EXIF" + struct.pack("<I", len(_EXIF)) + _EXIF)
    body[_VP8X_FLAGS_AT - 8] |= _EXIF_FLAG
    return b"RIFF" + struct.pack("<I", len(body)) + bytes(body)
