"""What a picture's header says, against the limits: the cheap look that comes before any decoding."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from ...core.domain.errors import ImageTooLarge, UndecodableImage, UnsupportedMediaType
from ...core.domain.media import ImageFacts, ImageLimits
from .libvips import VipsError, open_image
from .sniffing import HEAD_BYTES, sniff

if TYPE_CHECKING:
    import pillow_heif

HEIF_MIMES = frozenset({"image/heic", "image/heif"})

_ACCEPTED = "Accepted are JPEG, PNG, WebP and HEIC/HEIF pictures."
_NAMES = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WebP",
    "image/heic": "HEIC",
    "image/heif": "HEIF",
}


class Header(msgspec.Struct, frozen=True):
    """Type and size as stored, how many frames there are, and whether EXIF asks for a turn (1: it does not)."""

    mime: str
    width: int
    height: int
    frames: int = 1
    orientation: int = 1

    @property
    def facts(self) -> ImageFacts:
        return ImageFacts(self.mime, self.width, self.height)


def read_header(source: bytes | Path) -> Header:
    """The header of a file or of bytes. UnsupportedMediaType by its first bytes, UndecodableImage by the header."""
    mime = sniff(_head(source))
    if mime is None:
        raise UnsupportedMediaType(f"The content is not a picture of an accepted type. {_ACCEPTED}")
    try:
        return _read_heif(source, mime) if mime in HEIF_MIMES else _read_vips(source, mime)
    except (VipsError, ValueError, EOFError, RuntimeError) as error:
        raise undecodable(mime) from error


def check_limits(header: Header, limits: ImageLimits) -> None:
    """ImageTooLarge when a header announces more than is accepted."""
    pixels = header.width * header.height
    if pixels > limits.max_pixels:
        size = f"{header.width}x{header.height}"
        raise ImageTooLarge(f"The picture has {size} = {pixels} pixels, at most {limits.max_pixels} are accepted.")
    if header.frames > limits.max_frames:
        raise ImageTooLarge(f"The picture has {header.frames} frames, at most {limits.max_frames} are accepted.")


def undecodable(mime: str) -> UndecodableImage:
    """The error for content of a type that cannot be decoded whole."""
    return UndecodableImage(f"The file starts like a {_NAMES[mime]} picture but is damaged or cut off.")


def open_heif(source: bytes | Path) -> pillow_heif.HeifFile:
    """Open a HEIC/HEIF file; pixels are decoded on demand.

    Raises ValueError, EOFError or RuntimeError for a damaged file, UnsupportedMediaType without the extra `heif`.
    """
    try:
        import pillow_heif
    except ModuleNotFoundError as error:
        raise UnsupportedMediaType(
            'HEIC/HEIF pictures need the extra "heif": pip install "photochanger[heif]".'
        ) from error
    return pillow_heif.open_heif(source if isinstance(source, Path) else io.BytesIO(source), convert_hdr_to_8bit=True)


def _head(source: bytes | Path) -> bytes:
    if isinstance(source, bytes):
        return source[:HEAD_BYTES]
    with source.open("rb") as file:
        return file.read(HEAD_BYTES)


def _read_vips(source: bytes | Path, mime: str) -> Header:
    image = open_image(source, mime)
    frames = _field(image, "n-pages")
    if mime == "image/png":
        with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as file:
            frames = _png_frames(file)
    return Header(mime, image.width, image.height, frames, _field(image, "orientation"))


def _field(image: Any, name: str) -> int:
    return int(image.get(name)) if image.get_typeof(name) else 1


def _png_frames(file: BinaryIO) -> int:
    """How many frames an animated PNG announces; libvips shows only the default picture and does not count."""
    file.seek(8)
    while len(start := file.read(8)) == 8 and start[4:] != b"IDAT":
        length = int.from_bytes(start[:4], "big")
        if start[4:] == b"acTL":
            return int.from_bytes(file.read(4), "big")
        file.seek(length + 4, io.SEEK_CUR)
    return 1


def _read_heif(source: bytes | Path, mime: str) -> Header:
    heif = open_heif(source)
    width, height = heif.size
    # Turns and mirrors are part of the container and applied by the decoder, so EXIF's own word does not count.
    return Header(mime, width, height, len(heif))
