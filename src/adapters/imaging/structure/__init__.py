"""Parsers of our own for the structure of accepted pictures: pure Python, forward only, everything counted (ADR 40)."""

from __future__ import annotations

from collections.abc import Callable

from ....core.domain.errors import UnsupportedMediaType
from ....core.domain.media import ImageLimits
from ..bounds import ACCEPTED, undecodable
from ..sniffing import HEAD_BYTES, sniff
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
}


def parse(data: bytes, limits: ImageLimits) -> Findings:
    """The structure of a picture in memory. Raises UnsupportedMediaType, UndecodableImage, ImageTooLarge."""
    found = Findings(type_of(data), limits)
    for _ in walk(Cursor(data, is_final=True), found):
        raise AssertionError("a parser waited for more than all bytes")
    if not found.width:
        raise undecodable(found.mime)
    return found


def walk(cursor: Cursor, found: Findings) -> Waiting[None]:
    """The parser for a type, about to begin."""
    return _PARSERS[found.mime](cursor, found)


def type_of(head: bytes) -> str:
    """The MIME type by the first bytes. UnsupportedMediaType."""
    mime = sniff(head[:HEAD_BYTES])
    if mime is None:
        raise UnsupportedMediaType(f"The content is not a picture of an accepted type. {ACCEPTED}")
    return mime
