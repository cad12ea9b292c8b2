"""The colours of a decoded picture: from what its camera meant to 8-bit sRGB, the one space that leaves here."""

from __future__ import annotations

from collections.abc import Callable

import pyvips

from .checked import CheckedPicture
from .hdr import from_hdr
from .profiles import is_srgb, profile_of

_PROFILE = "icc-profile-data"


def is_srgb_already(picture: CheckedPicture, opened: Callable[[CheckedPicture], pyvips.Image]) -> bool:
    """Whether the values of a plain picture are those of sRGB; it is only `opened` where it has a profile."""
    if picture.profile is None:
        return picture.colour is None
    return is_srgb(picture.profile, 1 if opened(picture).bands < 3 else 3)


def to_srgb(image: pyvips.Image, picture: CheckedPicture) -> pyvips.Image:
    """8-bit sRGB with or without alpha from grey, CMYK, 16-bit, HDR or wide-gamut pixels."""
    if picture.profile is None and picture.colour is not None and picture.colour.is_hdr and image.bands >= 3:
        return from_hdr(image, picture.colour)
    profile = picture.profile
    if profile is None and picture.colour is not None and not picture.colour.is_hdr and _is_rgb(image):
        profile = profile_of(picture.colour)
    if profile is not None and not (image.format == "uchar" and is_srgb(profile, 1 if image.bands < 3 else 3)):
        tagged = image.copy()
        tagged.set_type(pyvips.GValue.blob_type, _PROFILE, profile)
        try:
            return _plain(tagged.icc_transform("srgb", embedded=True, intent="perceptual", depth=8))
        except pyvips.Error:
            pass  # a broken profile is common and says nothing about the pixels: go on as if there were none
    if image.interpretation == "cmyk":
        image = image.icc_transform("srgb", embedded=False, input_profile="cmyk", depth=8)
    return _plain(image)


def _is_rgb(image: pyvips.Image) -> bool:
    return bool(image.bands >= 3 and image.interpretation != "cmyk")


def _plain(image: pyvips.Image) -> pyvips.Image:
    return image.colourspace("srgb").cast("uchar")
