"""Metadata out of encoded pictures without touching a pixel: whole chunks are left out, the rest is copied.

What stays is what the pixels need to look right: colour profiles, gamma, transparency, Adobe's JPEG colour transform.
All functions raise ValueError where the structure is not whole: a JPEG that reaches its end marker was not cut off,
which is as much as decoding it would tell.
"""

from __future__ import annotations

from .jpeg import END, START, segments

_COM = 0xFE

_PNG_SIGNATURE_BYTES = 8
_PNG_KEPT = {
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"bKGD", b"pHYs", b"cICP",
}  # fmt: skip

_WEBP_KEPT = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP"}
_VP8X_METADATA_FLAGS = 0b0000_1100


def strip_jpeg(data: bytes) -> bytes:
    """A JPEG without EXIF, XMP, IPTC, comments, thumbnails, and without whatever follows its end."""
    view = memoryview(data)
    kept = [
        view[start:end] for marker, start, end in segments(data) if _keeps_segment(marker, data[start + 4 : start + 16])
    ]
    return b"".join([START, *kept, END])


def _keeps_segment(marker: int, start: bytes) -> bool:
    if marker == _COM:
        return False
    if not 0xE0 <= marker <= 0xEF:
        return True
    kept = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}.get(marker)
    return kept is not None and start.startswith(kept)


def strip_png(data: bytes) -> bytes:
    """A PNG without text, EXIF, time and animation (its default picture stays), and without what follows its end."""
    view = memoryview(data)
    parts = [view[:_PNG_SIGNATURE_BYTES]]
    at = _PNG_SIGNATURE_BYTES
    while True:
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if len(kind) < 4 or end > len(data):
            raise ValueError("a PNG chunk is longer than the file")
        if kind in _PNG_KEPT:
            parts.append(view[at:end])
        if kind == b"IEND":
            return b"".join(parts)
        at = end


def strip_webp(data: bytes) -> bytes:
    """A still WebP without EXIF, XMP and unknown chunks. ValueError for an animation: its frames are chunks too."""
    riff_end = min(8 + int.from_bytes(data[4:8], "little"), len(data))
    parts: list[bytes] = []
    at = 12
    while at + 8 <= riff_end:
        kind = data[at : at + 4]
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + size + size % 2
        if kind in (b"ANIM", b"ANMF"):
            raise ValueError("an animation cannot be stripped chunk by chunk")
        if at + 8 + size > riff_end:
            raise ValueError("a WebP chunk is longer than the file")
        if kind == b"VP8X":
            parts.append(data[at : at + 8] + bytes([data[at + 8] & ~_VP8X_METADATA_FLAGS & 0xFF]) + data[at + 9 : end])
        elif kind in _WEBP_KEPT:
            parts.append(data[at:end] if end <= len(data) else data[at:] + b"\0")
        at = end
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + len(body).to_bytes(4, "little") + body
