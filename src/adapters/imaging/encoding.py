"""libvips images into bytes: within a provider's limits, or as small as a preview must be. No metadata leaves here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyvips

from ...core.domain.media import PREVIEW_MAX_BYTES, Picture, PictureNeeds

RESULT_QUALITY = 95
"""Of results that must be coded again. They were coded before, so a further loss must not be seen."""

_PNG, _WEBP = "image/png", "image/webp"
_WRITABLE = ("image/jpeg", _WEBP, _PNG)
_PREVIEW_EFFORT = 0
"""Two thirds of the time for a fifth more bytes than with effort 2; each photo has two previews."""

_LOWER_QUALITIES = (92, 85, 75, 62, 45)
_SHRINK_STEP = 0.75
_WHITE = [255.0, 255.0, 255.0]


def encode_within(
    opened: Callable[[], pyvips.Image], needs: PictureNeeds, *, decode: Callable[[], pyvips.Image]
) -> Picture:
    """An image (8-bit sRGB) as the first type of `needs` that can be written, within its bytes and pixels.

    What is transparent becomes white, unless `needs` keep it and have a type for it: PNG, or WebP where that is too
    large. It is coded while it is decoded, as `opened` returns it. Only where that gives too many bytes, it is decoded
    into memory by `decode`. Then quality goes down first, then the size.
    """

    def as_needed(image: pyvips.Image) -> pyvips.Image:
        return image if needs.keep_transparency else flat(image)

    image = as_needed(opened())
    mime = _written_type(needs, has_alpha=image.hasalpha())
    if image.width * image.height <= needs.max_pixels:
        data = encode(image, mime, quality=needs.quality)
        if len(data) <= needs.max_bytes:
            return Picture(data, mime, image.width, image.height)
    if mime == _PNG and _WEBP in needs.mimes:
        mime = _WEBP  # takes a fraction of the bytes, and holds transparency too
    image = _within_pixels(as_needed(decode()), needs.max_pixels)
    for scaled, quality in _attempts(image, best=needs.quality):
        data = encode(scaled, mime, quality=quality)
        if len(data) <= needs.max_bytes:
            return Picture(data, mime, scaled.width, scaled.height)
    raise ValueError(f"no picture fits into {needs.max_bytes} bytes")


def written_type(needs: PictureNeeds) -> str:
    """The first type of `needs` that can be written; ValueError when there is none."""
    mime = next((mime for mime in needs.mimes if mime in _WRITABLE), None)
    if mime is None:
        raise ValueError(f"needs must accept one of {', '.join(_WRITABLE)}")
    return mime


def _written_type(needs: PictureNeeds, *, has_alpha: bool) -> str:
    """The type of `needs` for an image, see `encode_within`."""
    if has_alpha:
        return next((mime for mime in (_PNG, _WEBP) if mime in needs.mimes), written_type(needs))
    return written_type(needs)


def encode_preview(image: pyvips.Image) -> bytes:
    """An 8-bit sRGB image in memory as WebP within the bounds of a preview."""
    for scaled, quality in _attempts(image, best=80):
        data = encode(scaled, _WEBP, quality=quality, effort=_PREVIEW_EFFORT)
        if len(data) <= PREVIEW_MAX_BYTES:
            return data
    raise AssertionError("one pixel fits into any preview")


def encode(image: pyvips.Image, mime: str, *, quality: int, effort: int = 2) -> bytes:
    """Encoded bytes; where the type has no transparency, what is transparent becomes white.

    `effort` (0 to 6) is that of WebP: with more of it a picture takes longer and has fewer bytes.
    """
    options: dict[str, Any] = {"keep": "none"}
    if mime == "image/jpeg":
        data = flat(image).jpegsave_buffer(Q=quality, **options)
    elif mime == _WEBP:
        data = image.webpsave_buffer(Q=quality, effort=effort, **options)
    else:
        data = image.pngsave_buffer(compression=4, **options)
    return bytes(data)


def flat(image: pyvips.Image) -> pyvips.Image:
    """An image without transparency: what was transparent is white."""
    return image.flatten(background=_WHITE) if image.hasalpha() else image


def _within_pixels(image: pyvips.Image, max_pixels: int) -> pyvips.Image:
    """The image, scaled down where it has more pixels."""
    width, height = size_within(image.width, image.height, max_pixels)
    if (width, height) == (image.width, image.height):
        return image
    return _scaled(image, width, height)


def size_within(width: int, height: int, max_pixels: int) -> tuple[int, int]:
    """The largest size of the same shape with at most `max_pixels` pixels."""
    if width * height <= max_pixels:
        return width, height
    scale = (max_pixels / (width * height)) ** 0.5
    # A very flat picture stays one pixel high; its length alone must then fit.
    small_width = min(max(1, int(width * scale)), max_pixels)
    small_height = max(1, min(int(height * scale), max_pixels // small_width))
    return small_width, small_height


def _attempts(image: pyvips.Image, *, best: int) -> Iterator[tuple[pyvips.Image, int]]:
    """Ever smaller ways to encode an image: all qualities at full size, then the lower ones at smaller sizes."""
    qualities = (best, *(quality for quality in _LOWER_QUALITIES if quality < best))
    for quality in qualities:
        yield image, quality
    width, height = image.width, image.height
    while width > 1 or height > 1:
        width, height = max(1, int(width * _SHRINK_STEP)), max(1, int(height * _SHRINK_STEP))
        yield _scaled(image, width, height), qualities[len(qualities) // 2]


def _scaled(image: pyvips.Image, width: int, height: int) -> pyvips.Image:
    return image.thumbnail_image(width, height=height, size="force", no_rotate=True).copy_memory()
