"""The image operations on libvips, and on libheif for HEIC. All of them block, and run one at a time in a process.

Each begins with `check`, and decodes only what that returns. libvips decodes in strips, so memory follows what is asked
for, not what the photo holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyvips

from ...core.domain.errors import UndecodableImage, UnsupportedMediaType
from ...core.domain.media import PREVIEW_SIDE, RESULT_TYPES, ImageLimits, Picture, PictureNeeds
from .bounds import undecodable
from .checked import ANY_SIZE, CheckedPicture, check
from .colours import is_srgb_already
from .density import with_webp_density
from .encoding import RESULT_QUALITY, encode, encode_preview, encode_within, size_within, written_type
from .libvips import (
    VipsError,
    decode_reduced,
    decode_scaled,
    decode_whole,
    open_image,
    open_scaled,
    proving_whole,
    shrunk,
    small_copy,
)

_FIRST_QUARTER_TURN = 5

_MAX_KEPT_PIXELS = 8_000_000
"""Pixels that are kept in memory while they are coded: 24 MB. The preview of more is made from what was coded."""

_DECODER_ERRORS = (VipsError, ValueError, EOFError, RuntimeError, OSError, SyntaxError)


class Previewable(NamedTuple):
    """A picture, and what makes its preview from the pixels that were decoded for it: None where that fails."""

    picture: Picture
    preview: Callable[[], bytes | None]


def prepare(path: Path, needs: PictureNeeds) -> Picture:
    picture = check(path.read_bytes(), ANY_SIZE)
    written_type(needs)
    with _decoding(picture):
        if _fits(picture, needs) and _is_ready(picture) and _may_go(picture, needs):
            decode_whole(picture)
            return _as_it_is(picture)
        box = size_within(*_shown_size(picture), needs.max_pixels)
        return encode_within(lambda: open_scaled(picture, *box), needs, decode=lambda: decode_scaled(picture, *box))


def prepare_with_preview(path: Path, needs: PictureNeeds) -> Previewable:
    picture = check(path.read_bytes(), ANY_SIZE)
    written_type(needs)
    with _decoding(picture):
        if _fits(picture, needs) and _is_ready(picture) and _may_go(picture, needs):
            return Previewable(
                _as_it_is(picture), _preview_from_reduced(picture, decode_reduced(picture, PREVIEW_SIDE))
            )
        box = size_within(*_shown_size(picture), needs.max_pixels)
        image = _opened(picture, *box)
        made = encode_within(lambda: image, needs, decode=lambda: decode_scaled(picture, *box))
    return Previewable(made, partial(_preview_from_coded, made, image))


def normalise(data: bytes, limits: ImageLimits, *, with_preview: bool = True) -> Previewable:
    """`with_preview`: whether the preview is probably asked for. One that is not expected is decoded again."""
    picture = check(data, limits, takes_avif=True)
    with _decoding(picture):
        if _is_ready(picture) and with_preview:
            return Previewable(
                _result(picture, data), _preview_from_reduced(picture, decode_reduced(picture, PREVIEW_SIDE))
            )
        if _is_ready(picture):
            decode_whole(picture)
            return Previewable(_result(picture, data), partial(_preview_of, picture.data))
        image = open_scaled(picture, *_shown_size(picture))
        other = "image/png" if image.hasalpha() else "image/jpeg"
        mime = picture.mime if picture.mime in RESULT_TYPES else other
        coded = check(encode(image, mime, quality=RESULT_QUALITY), ANY_SIZE)
    return Previewable(_result(coded, data), partial(_preview_of, coded.data))


def preview(data: bytes) -> bytes:
    try:
        picture = check(data, ANY_SIZE)
    except UnsupportedMediaType as error:
        raise UndecodableImage(error.detail) from error
    with _decoding(picture):
        if _is_ready(picture):  # as a result is: its preview is the same whenever it is made
            return encode_preview(small_copy(decode_reduced(picture, PREVIEW_SIDE), picture, PREVIEW_SIDE))
        return encode_preview(decode_scaled(picture, PREVIEW_SIDE, PREVIEW_SIDE))


@contextmanager
def _decoding(picture: CheckedPicture) -> Iterator[None]:
    """Raise UndecodableImage where the picture, which is decoded within the block, is damaged or not whole."""
    try:
        with proving_whole(picture):
            yield
    except _DECODER_ERRORS as error:
        raise undecodable(picture.mime) from error


def _as_it_is(picture: CheckedPicture) -> Picture:
    return Picture(picture.data, picture.mime, picture.width, picture.height)


def _result(picture: CheckedPicture, was: bytes) -> Picture:
    """A picture with its density; the bytes that came where they are the same."""
    width, height = picture.width, picture.height
    made = with_webp_density(picture.data, width, height) if picture.mime == "image/webp" else picture.data
    return Picture(was if made == was else made, picture.mime, width, height)


def _opened(picture: CheckedPicture, width: int, height: int) -> pyvips.Image:
    """A picture for coding and for its preview: in memory, unless it has too many pixels for that."""
    image = open_scaled(picture, width, height)
    if image.width * image.height > _MAX_KEPT_PIXELS:
        return image
    with proving_whole(picture):
        return image.copy_memory()


def _preview_from_coded(coded: Picture, image: pyvips.Image) -> bytes | None:
    """The preview of a picture that was coded from an image, see `_opened`."""
    if image.width * image.height <= _MAX_KEPT_PIXELS:
        return _preview(lambda: shrunk(image, PREVIEW_SIDE))
    return _preview_of(coded.data)


def _preview_from_reduced(picture: CheckedPicture, reduced: pyvips.Image) -> Callable[[], bytes | None]:
    """What makes the preview of a picture that was decoded by `decode_reduced`."""
    return partial(_preview, lambda: small_copy(reduced, picture, PREVIEW_SIDE))


def _preview_of(data: bytes) -> bytes | None:
    """The preview of a picture that was made here."""
    try:
        return preview(data)
    except UndecodableImage:
        return None


def _preview(small: Callable[[], pyvips.Image]) -> bytes | None:
    """The preview of a small image; None where that fails."""
    try:
        return encode_preview(small())
    except VipsError:
        return None


def _fits(picture: CheckedPicture, needs: PictureNeeds) -> bool:
    return (
        picture.mime in needs.mimes
        and picture.width * picture.height <= needs.max_pixels
        and len(picture.data) <= needs.max_bytes
    )


def _is_ready(picture: CheckedPicture) -> bool:
    """Whether taking the metadata out was all that a picture needed."""
    return picture.is_plain and picture.orientation == 1 and is_srgb_already(picture, open_image)


def _may_go(picture: CheckedPicture, needs: PictureNeeds) -> bool:
    """Whether a ready picture is as transparent as it may be."""
    return needs.keep_transparency or picture.mime == "image/jpeg" or not open_image(picture).hasalpha()


def _shown_size(picture: CheckedPicture) -> tuple[int, int]:
    if picture.orientation >= _FIRST_QUARTER_TURN:
        return picture.height, picture.width
    return picture.width, picture.height
