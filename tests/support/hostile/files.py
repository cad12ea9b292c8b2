"""Files that are small to send and dear to decode, and the forms that carry them. Each is built once."""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache

MIB = 1024 * 1024
BOUNDARY = b"hostile-5f1c"
_PNG = b"\x89PNG\r\n\x1a\n"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(*ancillary: bytes, side: int = 64) -> bytes:
    """A grey PNG with these chunks before its pixels."""
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    pixels = _chunk(b"IDAT", zlib.compress(bytes((side + 1) * side), 9))
    return b"".join([_PNG, head, *ancillary, pixels, _chunk(b"IEND", b"")])


@lru_cache(maxsize=1)
def zipped_texts(*, texts: int = 25, each: int = 50_000_000) -> bytes:
    """A PNG of 1.2 MB whose texts take 1.25 GB unpacked, each a little less than libpng's bound."""
    packer = zlib.compressobj(9)
    packed = b"".join([*(packer.compress(b"a" * 1_000_000) for _ in range(each // 1_000_000)), packer.flush()])
    return _png(*(_chunk(b"zTXt", b"Comment%d\0\0" % number + packed) for number in range(texts)))


@lru_cache(maxsize=1)
def empty_chunks(*, count: int = 5_000_000) -> bytes:
    """A PNG of 60 MB with five million chunks without content."""
    return _png(_chunk(b"prVt", b"") * count)


@lru_cache(maxsize=1)
def many_scans(*, scans: int = 2_000, side: int = 8192) -> bytes:
    """A progressive JPEG of 390 kB: each scan of a few bytes makes a decoder visit all of its million blocks again."""
    blocks = (side // 8) ** 2
    run = 1 << 14  # the longest run of empty blocks that one code stands for: bit 0 and fourteen bits 0

    def segment(marker: int, data: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data

    def codes(table: int, *symbols: int) -> bytes:
        lengths = bytes([1, 1, *bytes(14)])  # codes 0 and 10
        return segment(0xC4, bytes([table]) + lengths + bytes(symbols))

    def scan(first: int, last: int, bits: int) -> bytes:
        return segment(0xDA, bytes([1, 1, 0, first, last, 0])) + bytes((bits + 7) // 8)

    return b"".join(
        [
            b"\xff\xd8",
            segment(0xDB, b"\0" + b"\1" * 64),
            segment(0xC2, struct.pack(">BHHBBBB", 8, side, side, 1, 1, 0x11, 0)),
            codes(0x00, 0x00, 0x01),
            codes(0x10, 0xE0, 0x00),
            scan(0, 0, blocks),
            scan(1, 63, blocks // run * 15) * (scans - 1),
            b"\xff\xd9",
        ]
    )


def padded(photo: bytes, size: int) -> bytes:
    """A photo that goes on with nothing until it has this size."""
    return photo + bytes(size - len(photo))


def part(name: str, data: bytes, filename: str | None = None) -> bytes:
    named = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
    return b"--" + BOUNDARY + f"\r\nContent-Disposition: {named}\r\n\r\n".encode() + data + b"\r\n"


def form(photo: bytes, *, before: str | None = None, after: str | None = None) -> bytes:
    """The camera's form with a password before the photo, after it, or none."""
    passwords = [part("password", password.encode()) if password is not None else b"" for password in (before, after)]
    file = part("fileToUpload", photo, "IMG_0001.JPG")
    return b"".join([passwords[0], file, passwords[1], b"--" + BOUNDARY + b"--\r\n"])


def request(body: bytes, *, slot_id: str = "slot-001", chunked: bool = False, headers: str = "") -> bytes:
    """A POST of a form, declared by its length or sent in chunks of 1 MiB."""
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    head = (
        f"POST /ingest/{slot_id} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY.decode()}\r\n{length}\r\n{headers}\r\n"
    ).encode()
    if not chunked:
        return head + body
    pieces = [body[start : start + MIB] for start in range(0, len(body), MIB)]
    return b"".join([head, *(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n"])
