"""The structure of a WebP (RFC 9649), walked chunk by chunk."""

from __future__ import annotations

from ..bounds import MAX_EXIF_BYTES, MAX_PROFILE_BYTES, MAX_WEBP_CHUNKS, too_many, undecodable
from .cursor import Cursor, Waiting
from .exif import read_exif
from .findings import Findings

_MIME = "image/webp"
_RIFF_BYTES = 12
_KEPT = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"})
_VP8X_AT = 20
"""Where the flags of an extended file are; its VP8X chunk is the first one."""

_ICC, _METADATA = 0b0010_0000, 0b0000_1100


def parse(cursor: Cursor, found: Findings) -> Waiting[None]:
    """Walk to the end of the container. Raises UndecodableImage, ImageTooLarge."""
    head = yield from cursor.take(_RIFF_BYTES)
    found.keep(0, _RIFF_BYTES)
    container_end = 8 + int.from_bytes(head[4:8], "little")
    chunks = frames = 0
    exif_seen = is_extended = has_pixels = False
    while (start := cursor.position) + 8 <= container_end:
        head = yield from cursor.take(8)
        kind, length = head[:4], int.from_bytes(head[4:], "little")
        end = start + 8 + length + length % 2
        chunks += 1
        found.steps += 1
        if len(head) < 8:
            break
        if chunks > MAX_WEBP_CHUNKS:
            raise too_many(_MIME, "chunks", MAX_WEBP_CHUNKS)
        if start + 8 + length > container_end:
            raise undecodable(_MIME)
        match kind:
            case b"VP8X":
                if chunks > 1:
                    raise undecodable(_MIME)
                is_extended = True
                canvas = yield from cursor.take(10)
                if length < 10 or len(canvas) < 10:
                    raise undecodable(_MIME)
                found.found_size(1 + int.from_bytes(canvas[4:7], "little"), 1 + int.from_bytes(canvas[7:10], "little"))
            case b"VP8 " | b"VP8L":
                size = _bitstream_size(kind, (yield from cursor.take(min(length, 10))))
                if is_extended:
                    found.require_size(*size)
                else:
                    found.found_size(*size)
                has_pixels = True
            case b"ANIM" | b"ANMF":
                found.is_still = False
                frames += kind == b"ANMF"
                found.found_frames(frames)
                has_pixels = has_pixels or frames > 0
            case b"EXIF" if not exif_seen:
                exif_seen = True
                exif = read_exif((yield from cursor.take(min(length, MAX_EXIF_BYTES))))
                found.orientation, found.colour = exif
            case b"ICCP" if not found.profile and length <= MAX_PROFILE_BYTES:
                found.profile = [(start + 8, start + 8 + length)]
        if kind in _KEPT:
            found.keep(start, end)
        cursor.skip_to(end)
    if not has_pixels:
        raise undecodable(_MIME)
    while cursor.size < container_end and not cursor.is_final:
        yield from cursor.more()
    found.is_whole = cursor.size >= container_end


def _bitstream_size(kind: bytes, start: bytes) -> tuple[int, int]:
    """Width and height of coded pixels: VP8 (RFC 6386) or VP8L."""
    if kind == b"VP8 ":
        if len(start) < 10 or start[0] & 1 or start[3:6] != b"\x9d\x01\x2a":
            raise undecodable(_MIME)
        return int.from_bytes(start[6:8], "little") & 0x3FFF, int.from_bytes(start[8:10], "little") & 0x3FFF
    if len(start) < 5 or start[0] != 0x2F:
        raise undecodable(_MIME)
    bits = int.from_bytes(start[1:5], "little")
    return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)


def rewritten(data: bytearray) -> bytes:
    """The container around the chunks that are kept: its length, and no word of what was left out."""
    if len(data) % 2:
        data.append(0)
    data[4:8] = (len(data) - 8).to_bytes(4, "little")
    if data[12:16] == b"VP8X" and len(data) > _VP8X_AT:
        data[_VP8X_AT] &= ~(_METADATA | _ICC) & 0xFF
    return bytes(data)
