"""How picture bytes become libvips images: the one way in, used by the imaging adapter and the `local` provider.

Only the loader of the type that our own sniffing found is ever called, so none of libvips' other loaders (SVG, PDF,
ImageMagick, ...) can be reached by hostile bytes, and nothing of an embedding process is blocked for that. The one
global thing set here is libvips' operation cache: off, because it would keep finished photos in memory.
"""

from __future__ import annotations

import logging
from typing import Any

import pyvips

from ...core.domain.media import Picture
from .checked import ANY_SIZE, CheckedPicture, check

pyvips.cache_set_max(0)

if logging.getLogger("pyvips").level == logging.NOTSET:
    # It tells of every step of every operation at level INFO.
    logging.getLogger("pyvips").setLevel(logging.WARNING)

VipsError = pyvips.Error
"""What libvips raises for anything it cannot do; its text may hold file paths, so it is not for answers."""

_LOADERS = {"image/jpeg": "jpegload_buffer", "image/png": "pngload_buffer", "image/webp": "webpload_buffer"}


def open_image(picture: CheckedPicture, **options: Any) -> pyvips.Image:
    """A lazy libvips image over a picture that was checked; only the header is read now.

    The picture must outlive the image. One that ends too early raises VipsError when its pixels are read. KeyError for
    a type that libvips does not decode here (HEIC).
    """
    image = pyvips.Operation.call(_LOADERS[picture.mime], picture.data, **{"fail_on": "truncated"} | options)
    if picture.orientation != 1:
        image = image.copy()
        image.set_type(pyvips.GValue.gint_type, "orientation", picture.orientation)
    return image


def open_shrunk(picture: Picture, *, max_side: int) -> pyvips.Image:
    """A picture as 8-bit sRGB (alpha kept), upright, its longest side at most `max_side`; never enlarged.

    Reads as few of a JPEG's coefficients as that size needs. Raises VipsError or KeyError as `open_image` does, and
    PhotoChangerError where the picture is beyond the bounds.
    """
    checked = check(picture.data, ANY_SIZE)
    longest = max(checked.width, checked.height)
    options: dict[str, Any] = {"access": "sequential"}
    if checked.mime == "image/jpeg":
        options["shrink"] = next((shrink for shrink in (8, 4, 2) if longest / shrink >= max_side), 1)
    return fit(as_srgb(open_image(checked, **options)), max_side, max_side)


def as_srgb(image: pyvips.Image) -> pyvips.Image:
    """8-bit sRGB with or without alpha from grey, CMYK, 16-bit or wide-gamut pixels, by the embedded profile."""
    if image.get_typeof("icc-profile-data"):
        try:
            image = image.icc_transform("srgb", embedded=True, intent="perceptual", depth=8)
        except VipsError:
            # A broken profile is common and says nothing about the pixels: go on as if there were none.
            image = image.copy()
            image.remove("icc-profile-data")
    if image.interpretation == "cmyk" and not image.get_typeof("icc-profile-data"):
        image = image.icc_transform("srgb", embedded=False, input_profile="cmyk", depth=8)
    return image.colourspace("srgb").cast("uchar")


def fit(image: pyvips.Image, width: int, height: int) -> pyvips.Image:
    """Upright by its EXIF orientation and scaled down to fit into a box; never enlarged."""
    return image.thumbnail_image(width, height=height, size="down")
