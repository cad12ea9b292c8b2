"""The image operations on libvips, and on libheif for HEIC. All of them block; `ImageTools` runs them in threads.

Each begins with `check`, and decodes only what that returns. libvips decodes in strips, so memory follows what is asked
for, not what the photo holds.
"""

from __future__ import annotations

import io
from pathlib import Path

import pyvips
from PIL.JpegImagePlugin import JpegImageFile

from ...core.domain.errors import UndecodableImage, UnsupportedMediaType
from ...core.domain.media import ImageLimits, Picture, PictureNeeds
from .bounds import undecodable
from .checked import ANY_SIZE, HEIF_MIMES, CheckedPicture, check
from .encoding import PREVIEW_SIDE, encode_preview, encode_within, size_within
from .heif import open_heif
from .libvips import VipsError, as_srgb, fit, open_image

_FIRST_QUARTER_TURN = 5
"""EXIF orientations from here on swap width and height."""

_HEIF_MODES = ("L", "RGB", "RGBA")

_FIRST_ROWS = 16
"""As many as the tallest block of coded pixels in a JPEG has."""

_DECODER_ERRORS = (VipsError, ValueError, EOFError, RuntimeError, OSError, SyntaxError)


def prepare(path: Path, needs: PictureNeeds) -> Picture:
    picture = check(path.read_bytes(), ANY_SIZE)
    try:
        if _fits_as_it_is(picture, needs):
            if picture.mime != "image/jpeg":  # a JPEG's structure has shown that it is whole
                _decode_whole(picture)
            return Picture(picture.data, picture.mime, picture.width, picture.height)
        if picture.mime == "image/jpeg" and not picture.is_one_scan:
            # The pixels may be read at a fraction below, but an end that is missing must be noticed all the same.
            _decode_jpeg(picture)
        image = _open_upright(picture, size_within(picture.width, picture.height, needs.max_pixels)).copy_memory()
    except _DECODER_ERRORS as error:
        raise undecodable(picture.mime) from error
    return encode_within(image, needs)


def _fits_as_it_is(picture: CheckedPicture, needs: PictureNeeds) -> bool:
    """Whether taking the metadata out was all that a photo needs."""
    return (
        picture.is_whole
        and picture.mime in needs.mimes
        and picture.orientation == 1
        and picture.frames == 1
        and picture.width * picture.height <= needs.max_pixels
        and len(picture.data) <= needs.max_bytes
    )


def verify(data: bytes, limits: ImageLimits) -> Picture:
    picture = check(data, limits)
    try:
        _decode_whole(picture)
    except _DECODER_ERRORS as error:
        raise undecodable(picture.mime) from error
    return Picture(data, picture.mime, picture.width, picture.height)


def preview(data: bytes) -> bytes:
    try:
        picture = check(data, ANY_SIZE)
    except UnsupportedMediaType as error:
        raise UndecodableImage(error.detail) from error
    try:
        image = _open_upright(picture, (PREVIEW_SIDE, PREVIEW_SIDE)).copy_memory()
    except _DECODER_ERRORS as error:
        raise undecodable(picture.mime) from error
    return encode_preview(image)


def _decode_whole(picture: CheckedPicture) -> None:
    """Prove that every pixel is there, with little memory; raises what the decoder raises."""
    if picture.mime in HEIF_MIMES:
        open_heif(picture).to_pillow().close()
    elif picture.is_one_scan:
        _decode_first_rows(picture)
    elif picture.mime == "image/jpeg":
        _decode_jpeg(picture)
    else:
        open_image(picture, access="sequential").avg()


def _decode_first_rows(picture: CheckedPicture) -> None:
    """Prove a JPEG whose one scan is whole: a decoder that takes its first rows takes it to its end (ADR 8)."""
    image = open_image(picture, access="sequential")
    # A region is read by this thread alone; what sums up an image starts threads of its own for these few rows.
    pyvips.Region.new(image).fetch(0, 0, image.width, min(image.height, _FIRST_ROWS))


def _decode_jpeg(picture: CheckedPicture) -> None:
    """Decode at an eighth of the size and without colour: every bit of the file is read, a quarter faster than all."""
    try:
        with JpegImageFile(io.BytesIO(picture.data)) as opened:
            opened.draft("L", (1, 1))
            opened.load()
    except (OSError, SyntaxError) as error:
        raise ValueError("the JPEG is damaged or cut off") from error


def _open_upright(picture: CheckedPicture, box: tuple[int, int]) -> pyvips.Image:
    """The first frame as 8-bit sRGB, upright, scaled down to fit into a box that is given as the pixels are stored."""
    width, height = box
    if picture.mime in HEIF_MIMES:
        image = _open_heif_pixels(picture)
    else:
        options = {}
        if picture.mime == "image/jpeg":
            scale = min(picture.width / width, picture.height / height)
            options["shrink"] = next((shrink for shrink in (8, 4, 2) if scale >= shrink), 1)
        image = open_image(picture, access="sequential", **options)
    if picture.orientation >= _FIRST_QUARTER_TURN:
        width, height = height, width
    return fit(as_srgb(image), width, height)


def _open_heif_pixels(picture: CheckedPicture) -> pyvips.Image:
    with open_heif(picture).to_pillow() as decoded:
        pixels = decoded if decoded.mode in _HEIF_MODES else decoded.convert("RGBA")
        image = pyvips.Image.new_from_memory(
            pixels.tobytes(), pixels.width, pixels.height, len(pixels.getbands()), "uchar"
        )
        profile = decoded.info.get("icc_profile")
    image = image.copy(interpretation="b-w" if image.bands == 1 else "srgb")
    if profile:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return image
