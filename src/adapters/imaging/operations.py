"""The image operations on libvips, and on libheif for HEIC. All of them block, and run one at a time in a process.

Each begins with `check`, and decodes only what that returns. libvips decodes in strips, so memory follows what is asked
for, not what the photo holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...core.domain.errors import UndecodableImage, UnsupportedMediaType
from ...core.domain.media import ImageLimits, Picture, PictureNeeds
from .bounds import undecodable
from .checked import ANY_SIZE, CheckedPicture, check
from .colours import is_srgb_already
from .density import with_webp_density
from .encoding import (
    PREVIEW_SIDE,
    RESULT_QUALITY,
    Source,
    encode,
    encode_preview,
    encode_within,
    size_within,
    written_type,
)
from .libvips import VipsError, decode_scaled, decode_whole, open_image, open_scaled, proving_whole

_FIRST_QUARTER_TURN = 5

_RESULT_TYPES = ("image/jpeg", "image/png", "image/webp")

_DECODER_ERRORS = (VipsError, ValueError, EOFError, RuntimeError, OSError, SyntaxError)


def prepare(path: Path, needs: PictureNeeds) -> Picture:
    picture = check(path.read_bytes(), ANY_SIZE)
    written_type(needs)
    with _decoding(picture):
        if _fits(picture, needs) and _is_ready(picture):
            decode_whole(picture)
            return Picture(picture.data, picture.mime, picture.width, picture.height)
        box = size_within(*_shown_size(picture), needs.max_pixels)
        source = Source(open=lambda: open_scaled(picture, *box), decode=lambda: decode_scaled(picture, *box))
        return encode_within(source, needs)


def normalise(data: bytes, limits: ImageLimits) -> Picture:
    picture = check(data, limits, takes_avif=True)
    with _decoding(picture):
        if _is_ready(picture):
            decode_whole(picture)
        else:
            image = open_scaled(picture, *_shown_size(picture))
            other = "image/png" if image.hasalpha() else "image/jpeg"
            mime = picture.mime if picture.mime in _RESULT_TYPES else other
            picture = check(encode(image, mime, quality=RESULT_QUALITY), ANY_SIZE)
    width, height = picture.width, picture.height
    made = with_webp_density(picture.data, width, height) if picture.mime == "image/webp" else picture.data
    return Picture(data if made == data else made, picture.mime, width, height)


def preview(data: bytes) -> bytes:
    try:
        picture = check(data, ANY_SIZE)
    except UnsupportedMediaType as error:
        raise UndecodableImage(error.detail) from error
    with _decoding(picture):
        return encode_preview(decode_scaled(picture, PREVIEW_SIDE, PREVIEW_SIDE))


@contextmanager
def _decoding(picture: CheckedPicture) -> Iterator[None]:
    """Raise UndecodableImage where the picture, which is decoded within the block, is damaged or not whole."""
    try:
        with proving_whole(picture):
            yield
    except _DECODER_ERRORS as error:
        raise undecodable(picture.mime) from error


def _fits(picture: CheckedPicture, needs: PictureNeeds) -> bool:
    return (
        picture.mime in needs.mimes
        and picture.width * picture.height <= needs.max_pixels
        and len(picture.data) <= needs.max_bytes
    )


def _is_ready(picture: CheckedPicture) -> bool:
    """Whether taking the metadata out was all that a picture needed."""
    return picture.is_plain and picture.orientation == 1 and is_srgb_already(picture, open_image(picture))


def _shown_size(picture: CheckedPicture) -> tuple[int, int]:
    if picture.orientation >= _FIRST_QUARTER_TURN:
        return picture.height, picture.width
    return picture.width, picture.height
