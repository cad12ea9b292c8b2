"""How picture bytes become libvips images: the one way in, used by the imaging adapter and the `local` provider.

Only the loader of the type that our own sniffing found is ever called, so none of libvips' other loaders (SVG, PDF,
ImageMagick, ...) can be reached by hostile bytes, and nothing of an embedding process is blocked for that. The one
global thing set here is libvips' operation cache: off, because it would keep finished photos in memory.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyvips

from ...core.domain.media import Picture
from .bounds import undecodable
from .checked import ANY_SIZE, CheckedPicture, check
from .colours import to_srgb
from .heif import open_heif
from .sniffing import AVIF, HEIF_MIMES

pyvips.cache_set_max(0)

if logging.getLogger("pyvips").level == logging.NOTSET:
    # It tells of every step of every operation at level INFO.
    logging.getLogger("pyvips").setLevel(logging.WARNING)

VipsError = pyvips.Error
"""What libvips raises for anything it cannot do; its text may hold file paths, so it is not for answers."""

_LOADERS = {
    "image/jpeg": "jpegload_buffer",
    "image/png": "pngload_buffer",
    "image/webp": "webpload_buffer",
    AVIF: "heifload_buffer",
}
_FIRST_QUARTER_TURN = 5
"""EXIF orientations from here on swap width and height."""

_GREY = b"\x7f\x80"
"""What a decoder makes of pixels of a JPEG that never came, in all channels."""

_PROFILE = "icc-profile-data"

_LEAST_PIXELS = 8.0
"""How much smaller a picture is decoded of which nothing is looked at."""


def open_image(picture: CheckedPicture, **options: Any) -> pyvips.Image:
    """A lazy libvips image over a picture that was checked; only the header is read now.

    The picture must outlive the image. One that ends too early raises VipsError when its pixels are read. KeyError for
    a type that libvips does not decode here (HEIC).
    """
    image = pyvips.Operation.call(_LOADERS[picture.mime], picture.data, **{"fail_on": "truncated"} | options)
    if picture.orientation != 1 or image.get_typeof(_PROFILE):
        image = image.copy()
        image.remove(_PROFILE)
        image.set_type(pyvips.GValue.gint_type, "orientation", picture.orientation)
    return image


def open_scaled(picture: CheckedPicture, width: int, height: int) -> pyvips.Image:
    """A picture as 8-bit sRGB (alpha kept), upright, scaled down to fit into a box; never enlarged.

    Decodes no more than that size needs, while the result is read, from top to bottom. Raises what `open_image` and
    `open_heif` raise, and UndecodableImage.
    """
    if picture.mime in HEIF_MIMES:
        image = open_heif(picture)
    else:
        stored = (height, width) if picture.orientation >= _FIRST_QUARTER_TURN else (width, height)
        scale = min(picture.width / stored[0], picture.height / stored[1])
        image = open_image(picture, access="sequential", **_reduction(picture, scale))
    is_cmyk = image.interpretation == "cmyk"
    if is_cmyk:
        image = to_srgb(image, picture)
    with proving_whole(picture):  # to turn a picture takes all of it
        image = _fit(image, width, height)
    return image if is_cmyk else to_srgb(image, picture)


def decode_scaled(picture: CheckedPicture, width: int, height: int) -> pyvips.Image:
    """The same in memory, and with all its pixels: raises UndecodableImage as well."""
    with proving_whole(picture):
        return open_scaled(picture, width, height).copy_memory()


def open_shrunk(picture: Picture, *, max_side: int) -> pyvips.Image:
    """A picture in memory as 8-bit sRGB (alpha kept), upright, its longest side at most `max_side`; never enlarged.

    Raises VipsError where it cannot be decoded, and PhotoChangerError where it is not whole or beyond the bounds.
    """
    return decode_scaled(check(picture.data, ANY_SIZE), max_side, max_side)


@contextmanager
def proving_whole(picture: CheckedPicture) -> Iterator[None]:
    """Require that all pixels of the picture, which is decoded within the block, were there. Raises UndecodableImage.

    libjpeg fills up what is missing and only warns. The warnings are those of the process, and gone when something else
    in it begins to use libvips.
    """
    _take_warnings()
    yield
    if picture.mime == "image/jpeg" and _take_warnings() and not (picture.tolerates_damage and _has_all_rows(picture)):
        raise undecodable(picture.mime)


def decode_whole(picture: CheckedPicture) -> None:
    """Decode a picture for nothing but the proof, see `proving_whole`: every bit is read, few pixels are made."""
    image = open_image(picture, access="sequential", **_reduction(picture, _LEAST_PIXELS))
    # To come to the last row, all rows before it are decoded.
    image.crop(0, image.height - 1, image.width, 1).avg()


def decode_reduced(picture: CheckedPicture, side: int) -> pyvips.Image:
    """The same with pixels as the yield: in memory, in the picture's own colours, its longest side at least `side`.

    For a picture that is plain and upright. Raises VipsError, UndecodableImage.
    """
    image = open_image(picture, access="sequential", **_reduction(picture, max(picture.width, picture.height) / side))
    with proving_whole(picture):
        return _means(image, side)


def small_copy(reduced: pyvips.Image, picture: CheckedPicture, side: int) -> pyvips.Image:
    """What `decode_reduced` returned as 8-bit sRGB in memory, its longest side at most `side`."""
    return to_srgb(shrunk(reduced, side), picture).copy_memory()


def shrunk(image: pyvips.Image, side: int) -> pyvips.Image:
    """An image in memory with its longest side at most `side`."""
    longest = max(image.width, image.height)
    if longest <= side:
        return image
    width, height = (max(round(length * side / longest), 1) for length in (image.width, image.height))
    means = _means(image, side)
    return means.thumbnail_image(width, height=height, size="force", no_rotate=True).copy_memory()


def _means(image: pyvips.Image, side: int) -> pyvips.Image:
    """An image in memory with its longest side at least `side`, but less than twice that where it can be.

    Reads each pixel of `image` once, from top to bottom.
    """
    times = max(image.width, image.height) // side
    if times <= 1:
        return image.copy_memory()
    # Rounded up, a last row that fills no square of its own is read too.
    if image.hasalpha():
        return image.premultiply().shrink(times, times, ceil=True).unpremultiply().cast(image.format).copy_memory()
    return image.shrink(times, times, ceil=True).copy_memory()


def _reduction(picture: CheckedPicture, scale: float) -> dict[str, Any]:
    """What makes a decoder deliver fewer pixels, where it can."""
    if picture.mime == "image/jpeg":
        return {"shrink": next((shrink for shrink in (8, 4, 2) if scale >= shrink), 1)}
    if picture.mime == "image/webp" and scale > 1:
        return {"scale": 1 / scale}
    return {}


def _fit(image: pyvips.Image, width: int, height: int) -> pyvips.Image:
    """Upright by its EXIF orientation and scaled down to fit into a box; never enlarged."""
    return image.thumbnail_image(width, height=height, size="down")


def _take_warnings() -> str:
    """What libvips' decoders noted since it was last asked, in this process."""
    return str(VipsError("").detail)


def _has_all_rows(picture: CheckedPicture) -> bool:
    """Whether no row of a JPEG of one scan, seen at an eighth of its size, is grey from one side to the other."""
    image = open_image(picture, access="sequential", shrink=8)
    row_bytes = image.width * image.bands
    pixels = bytes(image.write_to_memory())
    _take_warnings()
    return all(pixels[at : at + row_bytes].strip(_GREY) for at in range(0, len(pixels), row_bytes))
