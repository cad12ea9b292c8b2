"""The structure of a PNG (W3C, third edition), walked chunk by chunk."""

from __future__ import annotations

import zlib

from ..bounds import (
    MAX_EXIF_BYTES,
    MAX_PNG_DATA_CHUNKS,
    MAX_PNG_SMALL_CHUNK_BYTES,
    MAX_PNG_SMALL_CHUNKS,
    MAX_PROFILE_BYTES,
    too_many,
    undecodable,
)
from . import colour
from .cursor import Cursor, Waiting
from .exif import Exif, read_exif
from .findings import Findings

_MIME = "image/png"
_SIGNATURE_BYTES = 8
_DATA = frozenset({b"IDAT", b"fdAT"})
_SMALL = frozenset({b"PLTE", b"tRNS"})
"""What the pixels need. Text, time and animation are not needed (the default picture is none of it)."""

_COLOUR = frozenset({b"gAMA", b"cHRM", b"sRGB", b"cICP"})
_MAX_DEPTH = 8

_MAX_CHUNK_BYTES = 2**31 - 1
_MAX_NAME_BYTES = 80
_BYTES_PER_DATA_CHUNK = 1_024


def parse(cursor: Cursor, found: Findings) -> Waiting[None]:
    """Walk to the end chunk or to where the file ends. Raises UndecodableImage, ImageTooLarge."""
    cursor.skip(_SIGNATURE_BYTES)
    found.keep(0, _SIGNATURE_BYTES)
    small_chunks = data_chunks = frames = 0
    exif_seen = False
    exif = Exif()
    spaces: dict[bytes, bytes] = {}
    while True:
        start = cursor.position
        head = yield from cursor.take(8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        end = start + 12 + length
        found.steps += 1
        if len(head) < 8 or kind == b"IEND":
            break
        if length > _MAX_CHUNK_BYTES or (found.width == 0) != (kind == b"IHDR"):
            raise undecodable(_MIME)
        if kind in _DATA:
            data_chunks += 1
            if data_chunks > MAX_PNG_DATA_CHUNKS + start // _BYTES_PER_DATA_CHUNK:
                raise too_many(_MIME, "chunks of pixels for its size", data_chunks - 1)
        else:
            small_chunks += 1
            if small_chunks > MAX_PNG_SMALL_CHUNKS:
                raise too_many(_MIME, "chunks without pixels", MAX_PNG_SMALL_CHUNKS)
        match kind:
            case b"IHDR":
                sizes = yield from cursor.take(9)
                if length != 13 or len(sizes) < 9:
                    raise undecodable(_MIME)
                found.keep(start, end)
                found.found_size(int.from_bytes(sizes[:4], "big"), int.from_bytes(sizes[4:8], "big"))
                found.is_plain = sizes[8] <= _MAX_DEPTH
            case b"IDAT":
                found.keep(start, end)
            case b"acTL":
                found.found_frames(int.from_bytes((yield from cursor.take(4)), "big"))
            case b"fcTL":
                frames += 1
                found.found_frames(max(frames, found.frames))
            case b"iCCP" if not found.profile and length <= MAX_PROFILE_BYTES:
                found.profile = [(start, end)]
            case b"eXIf" if not exif_seen:
                exif_seen = True
                exif = read_exif((yield from cursor.take(min(length, MAX_EXIF_BYTES))))
                found.orientation = exif.orientation
            case _ if kind in _COLOUR and kind not in spaces:
                spaces[kind] = yield from cursor.take(min(length, 32))
            case _ if kind in _SMALL and length <= MAX_PNG_SMALL_CHUNK_BYTES:
                found.keep(start, end)
            case b"PLTE":
                raise undecodable(_MIME)
        cursor.skip_to(end)
    if not data_chunks:
        raise undecodable(_MIME)
    _find_colour(found, spaces, exif)
    if kind == b"IEND":
        found.is_whole = not cursor.is_final or end <= cursor.size


def _find_colour(found: Findings, spaces: dict[bytes, bytes], exif: Exif) -> None:
    """Choose among what a PNG says of its colours, in the order that the standard asks for."""
    if len(numbers := spaces.get(b"cICP", b"")) >= 4 and numbers[2] == 0 and numbers[3] == 1:
        found.colour = colour.from_numbers(numbers[0], numbers[1])
        found.profile = []
    elif b"sRGB" not in spaces and (b"gAMA" in spaces or b"cHRM" in spaces):
        found.colour = colour.from_png(spaces.get(b"gAMA"), spaces.get(b"cHRM"))
    elif b"sRGB" not in spaces:
        found.colour = exif.colour


def unpacked_profile(chunk: bytes) -> bytes | None:
    """The profile of an iCCP chunk; None where it is broken or larger than the bound. No more than that is unpacked."""
    name, separator, packed = chunk[8:-4].partition(b"\0")
    if not separator or len(name) >= _MAX_NAME_BYTES or packed[:1] != b"\0":
        return None
    unpacking = zlib.decompressobj()
    try:
        profile = unpacking.decompress(packed[1:], MAX_PROFILE_BYTES + 1)
    except zlib.error:
        return None
    return profile if unpacking.eof and len(profile) <= MAX_PROFILE_BYTES else None
