"""Builders of hostile pictures: small files whose structure costs much, or that decoders unpack to gigabytes."""

from __future__ import annotations

import io
import struct
import zlib

import pillow_heif
import pyvips
from PIL import Image

from tests.support import photos

TEXT_BYTES = 49_900_000
"""Just under what a PNG decoder takes for one text."""


def png_with(*chunks: bytes, side: int = 32) -> bytes:
    """A PNG with these chunks in front of its pixels."""
    plain = photos.png(side, side)
    return plain[:33] + b"".join(chunks) + plain[33:]


def png_text_bomb(texts: int = 25) -> bytes:
    """1.2 MB that unpack to 1.25 GB of text."""
    packed = zlib.compress(b"a" * TEXT_BYTES, 9)
    return png_with(*(photos.png_chunk(b"zTXt", b"Comment%d\0\0" % number + packed) for number in range(texts)))


def png_chunks(count: int, kind: bytes = b"abCd") -> bytes:
    """A PNG with as many empty chunks."""
    return png_with(photos.png_chunk(kind, b"") * count)


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that announces a size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + photos.png_chunk(b"IHDR", header) + photos.png(32, 32)[33:]


def segment(marker: int, data: bytes) -> bytes:
    """A segment of a JPEG."""
    return bytes([0xFF, marker]) + (len(data) + 2).to_bytes(2, "big") + data


def jpeg_with(*segments: bytes) -> bytes:
    """A JPEG with these segments right behind its start."""
    plain = photos.jpeg(32, 32)
    return plain[:2] + b"".join(segments) + plain[2:]


def jpeg_scans(count: int, *, progressive: bool = True) -> bytes:
    """A JPEG whose last scan is there as often as that makes `count` scans."""
    plain = photos.encoded(photos.scene(64, 48), "JPEG", progressive=progressive)
    last = plain.rindex(b"\xff\xda")
    return plain[:last] + plain[last:-2] * (count + 1 - plain.count(b"\xff\xda")) + b"\xff\xd9"


def jpeg_scans_of_noise(width: int, height: int, count: int = 100) -> bytes:
    """A progressive JPEG that must be turned, with as many scans over all of its pixels, each of which costs time."""
    plain = photos.encoded(
        photos.scene(width, height, grain=60.0), "JPEG", progressive=True, quality=95, exif=photos.located_exif(6)
    )
    first = plain.index(b"\xff\xda")
    rest = plain[first:-2]
    end = rest.index(b"\xff\xc4", 2)  # the tables of the second scan
    scan = rest[:end]  # the first one: the coarse values of all colours
    return plain[:first] + scan * (count - plain.count(b"\xff\xda")) + rest + b"\xff\xd9"


def heic_of_one_colour(width: int, height: int) -> bytes:
    """A few kilobytes."""
    out = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (width, height), (90, 120, 40))).save(out, quality=30)
    return out.getvalue()


def png_interlaced(width: int, height: int) -> bytes:
    """An interlaced PNG of 16 bits to a colour with alpha, all black: a decoder needs all of it at once."""
    image = pyvips.Image.black(width, height, bands=4).cast("ushort").copy(interpretation="rgb16")
    return bytes(image.pngsave_buffer(interlace=True, compression=1))


def webp_animation(width: int, height: int, frames: int = 64) -> bytes:
    """A WebP with as many frames of one colour."""
    pictures = [Image.new("RGB", (width, height), (number, 0, 0)) for number in range(frames)]
    return photos.encoded(pictures[0], "WEBP", save_all=True, append_images=pictures[1:], quality=10, method=0)


def jpeg_of_size(width: int, height: int) -> bytes:
    """A JPEG that announces a size."""
    plain = bytearray(photos.jpeg(32, 32))
    frame = plain.index(b"\xff\xc0")
    plain[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(plain)


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of these chunks."""
    body = b"WEBP" + b"".join(
        kind + len(data).to_bytes(4, "little") + data + b"\0" * (len(data) % 2) for kind, data in chunks
    )
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def vp8x(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    """The first chunk of an extended WebP."""
    return b"VP8X", bytes([flags, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def webp_pixels() -> tuple[bytes, bytes]:
    """The chunk with the pixels of a small WebP."""
    plain = photos.webp(32, 32)
    return plain[12:16], plain[20:]


def box(kind: bytes, *body: bytes) -> bytes:
    """A box of an ISO base media file."""
    data = b"".join(body)
    return (len(data) + 8).to_bytes(4, "big") + kind + data


def full_box(kind: bytes, *body: bytes, version: int = 0, flags: int = 0) -> bytes:
    """A box with version and flags."""
    return box(kind, bytes([version]) + flags.to_bytes(3, "big"), *body)


def numbers(*values: int, size: int = 2) -> bytes:
    """Numbers of `size` bytes each."""
    return b"".join(value.to_bytes(size, "big") for value in values)


FTYP = box(b"ftyp", b"heic", bytes(4), b"mif1heic")


def size_property(width: int, height: int) -> bytes:
    """The property of an item that is its size."""
    return full_box(b"ispe", numbers(width, height, size=4))


def item_info(item: int, kind: bytes, *, flags: int = 0) -> bytes:
    """What kind an item is of."""
    return full_box(b"infe", numbers(item, 0), kind, b"\0", version=2, flags=flags)


def heic(
    *,
    items: dict[int, bytes],
    sizes: dict[int, tuple[int, int]],
    parts: dict[int, list[int]] | None = None,
    data: dict[int, bytes] | None = None,
    more: bytes = b"",
    primary: int = 1,
) -> bytes:
    """A HEIC of items with types, sizes, parts (`dimg`) and bytes in an `idat` box; `more` goes to its `meta` box."""
    infos = full_box(b"iinf", numbers(len(items)), *(item_info(item, kind) for item, kind in items.items()))
    properties = box(b"ipco", *(size_property(*size) for size in sizes.values()))
    associations = full_box(
        b"ipma",
        numbers(len(sizes), size=4),
        *(numbers(item) + bytes([1, index + 1]) for index, item in enumerate(sizes)),
    )
    references = full_box(
        b"iref",
        *(box(b"dimg", numbers(item, len(targets), *targets)) for item, targets in (parts or {}).items()),
    )
    at, locations, stored = 0, [], data or {}
    for item, content in stored.items():
        locations.append(numbers(item, 1, 0, 1) + numbers(at, len(content), size=4))
        at += len(content)
    iloc = full_box(b"iloc", b"\x44\0", numbers(len(stored)), *locations, version=1)
    meta = full_box(
        b"meta",
        full_box(b"pitm", numbers(primary)),
        infos,
        box(b"iprp", properties, associations),
        references,
        iloc,
        box(b"idat", *stored.values()),
        more,
    )
    return FTYP + meta


def grid(columns: int, rows: int, width: int, height: int) -> bytes:
    """The description of a picture in tiles."""
    return bytes([0, 1, rows - 1, columns - 1]) + numbers(width, height, size=4)
