"""Parsers of our own for the structure of accepted pictures: pure Python, forward only, everything counted (ADR 40)."""

from __future__ import annotations

from collections.abc import Callable

from ....core.domain.errors import UnsupportedMediaType
from ....core.domain.media import ImageLimits
from ..bounds import ACCEPTED, undecodable
from ..heif_support import require_heif
from ..sniffing import AVIF, HEAD_BYTES, HEIF_MIMES, identify, name_of
from . import heif, jpeg, png, webp
from .cursor import Cursor, Waiting
from .findings import Findings

__all__ = ["Cursor", "Findings", "Waiting", "parse", "type_of", "walk"]

_PARSERS: dict[str, Callable[[Cursor, Findings], Waiting[None]]] = {
    "image/jpeg": jpeg.parse,
    "image/png": png.parse,
    "image/webp": webp.parse,
    "image/heic": heif.parse,
    "image/heif": heif.parse,
    AVIF: heif.parse,
}


def parse(data: bytes, limits: ImageLimits, *, takes_avif: bool = False) -> Findings:
    """The structure of a picture in memory, which starts with no line end.

    Raises UnsupportedMediaType, UndecodableImage, ImageTooLarge.
    """
    found = Findings(type_of(data, takes_avif=takes_avif), limits)
    for _ in walk(Cursor(data, is_final=True), found):
        raise AssertionError("a parser waited for more than all bytes")
    if not found.width:
        raise undecodable(found.mime)
    return found


def walk(cursor: Cursor, found: Findings) -> Waiting[None]:
    """The parser for a type, about to begin."""
    return _PARSERS[found.mime](cursor, found)


def type_of(head: bytes, *, takes_avif: bool = False) -> str:
    """The MIME type of a picture by its first HEAD_BYTES, or by all of a shorter one; it starts with no line end.

    UnsupportedMediaType, which names what came instead, or the extra that is missing.
    """
    mime = identify(head[:HEAD_BYTES])
    if mime is None or (mime == AVIF and not takes_avif):
        name = name_of(head[:HEAD_BYTES])
        what = "The content is not a picture of an accepted type." if name is None else f"The file is {name}."
        raise UnsupportedMediaType(f"{what} {ACCEPTED}")
    if mime in HEIF_MIMES:
        require_heif()
    return mime
