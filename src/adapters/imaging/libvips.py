"""How picture bytes become libvips images: the one way in, used by the imaging adapter and the `local` provider.

Only the loader of the type that our own sniffing found is ever called, so none of libvips' other loaders (SVG, PDF,
ImageMagick, ...) can be reached by hostile bytes, and nothing of an embedding process is blocked for that. The one
global thing set here is libvips' operation cache: off, because it would keep finished photos in memory.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pyvips

from ...core.domain.media import Picture

pyvips.cache_set_max(0)

if logging.getLogger("pyvips").level == logging.NOTSET:
    # It tells of every step of every operation at level INFO.
    logging.getLogger("pyvips").setLevel(logging.WARNING)

VipsError = pyvips.Error
"""What libvips raises for anything it cannot do; its text may hold file paths, so it is not for answers."""

_LOADERS = {"image/jpeg": "jpegload", "image/png": "pngload", "image/webp": "webpload"}


def open_image(source: bytes | Path, mime: str, **options: Any) -> pyvips.Image:
    """A lazy libvips image over an encoded picture; only the header is read now.

    `source` stays untouched and must outlive the image. A picture that ends too early raises VipsError when its
    pixels are read. KeyError for a type that libvips does not decode here (HEIC).
    """
    loader = _LOADERS[mime]
    options = {"fail_on": "truncated"} | options
    if isinstance(source, Path):
        return pyvips.Operation.call(loader, str(source), **options)
    return pyvips.Operation.call(f"{loader}_buffer", source, **options)


def open_shrunk(picture: Picture, *, max_side: int) -> pyvips.Image:
    """A picture as 8-bit sRGB (alpha kept), upright, its longest side at most `max_side`; never enlarged.

    Reads as few of a JPEG's coefficients as that size needs.
    """
    longest = max(picture.width, picture.height)
    options: dict[str, Any] = {"access": "sequential"}
    if picture.mime == "image/jpeg":
        options["shrink"] = next((shrink for shrink in (8, 4, 2) if longest / shrink >= max_side), 1)
    return fit(as_srgb(open_image(picture.data, picture.mime, **options)), max_side, max_side)


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
