"""What every image service may demand of the pictures that it is sent, and of their place in a request."""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Mapping

import pillow_heif
from PIL import Image, UnidentifiedImageError

FORMATS: Mapping[str, str] = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
    "image/heic": "HEIF",
    "image/heif": "HEIF",
}
"""Pillow's name of the format behind each type."""

_ORIENTATION = 0x0112
_GPS = 0x8825
_XMP_PLACES = (b"GPSLatitude", b"GPSLongitude")
_UPRIGHT = (None, 1)
_DATA_URI = re.compile(r"data:(image/(?:jpeg|png|webp));base64,([A-Za-z0-9+/]+={0,2})\Z")


def picture_fault(
    data: bytes, mime: object, *, max_bytes: int | None = None, max_pixels: int | None = None
) -> str | None:
    """Say what is wrong with a picture: its type, its size, a turn, a place in its metadata; None if nothing is."""
    if not isinstance(mime, str) or mime not in FORMATS:
        return f"Unsupported MIME type: {mime}"
    if max_bytes is not None and len(data) > max_bytes:
        return f"The picture has {len(data)} bytes, more than {max_bytes}."
    try:
        picture = _opened(data)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return "Unable to process input image."
    if picture.format != FORMATS[mime]:
        return f"The picture is {picture.format}, not {mime}."
    width, height = picture.size
    if max_pixels is not None and width * height > max_pixels:
        return f"The picture has {width} x {height} pixels, more than {max_pixels}."
    return _metadata_fault(picture) if _decodes(picture) else "Unable to process input image."


def data_uri_fault(value: object, *, max_pixels: int | None = None) -> str | None:
    """Say what is wrong with a picture in a data URI; None if nothing is."""
    found = _DATA_URI.match(value) if isinstance(value, str) else None
    if found is None:
        return "It is no data URI of a picture."
    try:
        data = base64.b64decode(found[2], validate=True)
    except binascii.Error:
        return "It is not base64."
    return picture_fault(data, found[1], max_pixels=max_pixels)


def _opened(data: bytes) -> Image.Image:
    if data[4:8] == b"ftyp":
        return pillow_heif.HeifImageFile(io.BytesIO(data))
    return Image.open(io.BytesIO(data))


def _metadata_fault(picture: Image.Image) -> str | None:
    exif = picture.getexif()
    turned = picture.info.get("original_orientation") if picture.format == "HEIF" else exif.get(_ORIENTATION)
    if turned not in _UPRIGHT:
        return "The picture is not upright."
    xmp = picture.info.get("xmp") or b""
    if exif.get_ifd(_GPS) or any(place in (xmp if isinstance(xmp, bytes) else xmp.encode()) for place in _XMP_PLACES):
        return "The picture says where it was taken."
    return None


def _decodes(picture: Image.Image) -> bool:
    try:
        # A large picture is decoded small where the format allows it: the whole file is read all the same.
        picture.draft("RGB", (64, 64))
        picture.load()
    except (OSError, ValueError, SyntaxError):
        return False
    return True
