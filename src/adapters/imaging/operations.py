"""The image operations on libvips, and on libheif for HEIC. All of them block; `ImageTools` runs them in threads.

libvips decodes in strips, so memory follows what is asked for, not what the photo holds.
"""

from __future__ import annotations

import io
from pathlib import Path

import pyvips
from PIL.JpegImagePlugin import JpegImageFile

from ...core.domain.errors import UndecodableImage, UnsupportedMediaType
from ...core.domain.media import ImageFacts, ImageLimits, Picture, PictureNeeds
from .encoding import PREVIEW_SIDE, encode_preview, encode_within, size_within
from .headers import HEIF_MIMES, Header, check_limits, open_heif, read_header, undecodable
from .jpeg import is_one_whole_scan
from .libvips import VipsError, as_srgb, fit, open_image
from .stripping import strip_jpeg, strip_png, strip_webp

_STRIPPERS = {"image/jpeg": strip_jpeg, "image/png": strip_png, "image/webp": strip_webp}
_FIRST_QUARTER_TURN = 5
"""EXIF orientations from here on swap width and height."""

_HEIF_MODES = ("L", "RGB", "RGBA")

_FIRST_ROWS = 16
"""As many as the tallest block of coded pixels in a JPEG has."""


def inspect(path: Path, limits: ImageLimits) -> ImageFacts:
    header = read_header(path)
    check_limits(header, limits)
    return header.facts


def inspect_start(start: bytes, limits: ImageLimits) -> ImageFacts | None:
    try:
        header = read_header(start)
    except UndecodableImage:
        return None
    check_limits(header, limits)
    return header.facts


def prepare(path: Path, needs: PictureNeeds) -> Picture:
    data = path.read_bytes()
    header = read_header(data)
    try:
        if _fits_as_it_is(header, needs) and (stripped := _stripped(data, header.mime, max_bytes=needs.max_bytes)):
            if header.mime != "image/jpeg":  # a JPEG's structure has shown that it is whole
                _decode_whole(data, header.mime)
            return Picture(stripped, header.mime, header.width, header.height)
        if header.mime == "image/jpeg" and not is_one_whole_scan(data):
            # The pixels may be read at a fraction below, but an end that is missing must be noticed all the same.
            _decode_jpeg(data)
        image = _open_upright(data, header, size_within(header.width, header.height, needs.max_pixels)).copy_memory()
    except (VipsError, ValueError, EOFError, RuntimeError) as error:
        raise undecodable(header.mime) from error
    return encode_within(image, needs)


def _fits_as_it_is(header: Header, needs: PictureNeeds) -> bool:
    """Whether taking the metadata out is all that a photo needs."""
    return (
        header.mime in _STRIPPERS
        and header.mime in needs.mimes
        and header.orientation == 1
        and header.frames == 1
        and header.width * header.height <= needs.max_pixels
    )


def _stripped(data: bytes, mime: str, *, max_bytes: int) -> bytes | None:
    """The picture without its metadata; None where that needs a re-encode: too big, or an unusual structure."""
    try:
        stripped = _STRIPPERS[mime](data)
    except ValueError:
        return None
    return stripped if len(stripped) <= max_bytes else None


def verify(data: bytes, limits: ImageLimits) -> Picture:
    header = read_header(data)
    check_limits(header, limits)
    try:
        _decode_whole(data, header.mime)
    except (VipsError, ValueError, EOFError, RuntimeError) as error:
        raise undecodable(header.mime) from error
    return Picture(data, header.mime, header.width, header.height)


def preview(data: bytes) -> bytes:
    try:
        header = read_header(data)
    except UnsupportedMediaType as error:
        raise UndecodableImage(error.detail) from error
    try:
        image = _open_upright(data, header, (PREVIEW_SIDE, PREVIEW_SIDE)).copy_memory()
    except (VipsError, ValueError, EOFError, RuntimeError) as error:
        raise undecodable(header.mime) from error
    return encode_preview(image)


def _decode_whole(data: bytes, mime: str) -> None:
    """Prove that every pixel is there, with little memory; raises what the decoder raises."""
    if mime in HEIF_MIMES:
        open_heif(data).to_pillow().close()
    elif mime == "image/jpeg" and is_one_whole_scan(data):
        _decode_first_rows(data)
    elif mime == "image/jpeg":
        _decode_jpeg(data)
    else:
        open_image(data, mime, access="sequential").avg()


def _decode_first_rows(data: bytes) -> None:
    """Prove a JPEG whose one scan is whole: a decoder that takes its first rows takes it to its end (ADR 8)."""
    image = open_image(data, "image/jpeg", access="sequential")
    # A region is read by this thread alone; what sums up an image starts threads of its own for these few rows.
    pyvips.Region.new(image).fetch(0, 0, image.width, min(image.height, _FIRST_ROWS))


def _decode_jpeg(data: bytes) -> None:
    """Decode at an eighth of the size and without colour: every bit of the file is read, a quarter faster than all."""
    try:
        with JpegImageFile(io.BytesIO(data)) as picture:
            picture.draft("L", (1, 1))
            picture.load()
    except (OSError, SyntaxError) as error:
        raise ValueError("the JPEG is damaged or cut off") from error


def _open_upright(data: bytes, header: Header, box: tuple[int, int]) -> pyvips.Image:
    """The first frame as 8-bit sRGB, upright, scaled down to fit into a box that is given as the pixels are stored."""
    width, height = box
    if header.mime in HEIF_MIMES:
        image = _open_heif_pixels(data)
    else:
        options = {}
        if header.mime == "image/jpeg":
            scale = min(header.width / width, header.height / height)
            options["shrink"] = next((shrink for shrink in (8, 4, 2) if scale >= shrink), 1)
        image = open_image(data, header.mime, access="sequential", **options)
    if header.orientation >= _FIRST_QUARTER_TURN:
        width, height = height, width
    return fit(as_srgb(image), width, height)


def _open_heif_pixels(data: bytes) -> pyvips.Image:
    with open_heif(data).to_pillow() as decoded:
        picture = decoded if decoded.mode in _HEIF_MODES else decoded.convert("RGBA")
        image = pyvips.Image.new_from_memory(
            picture.tobytes(), picture.width, picture.height, len(picture.getbands()), "uchar"
        )
        profile = decoded.info.get("icc_profile")
    image = image.copy(interpretation="b-w" if image.bands == 1 else "srgb")
    if profile:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return image
