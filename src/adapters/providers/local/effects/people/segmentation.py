"""Which pixels are people: the network's answer for the whole photo and, closer, around each face."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyvips
from msgspec import Struct

from .found import Face
from .networks import PEOPLE_SIDE, Floats, people_network, picture, pixels

_CLOSE, _FIGURE = 5.0, 10.0
"""Sides of the parts around a face, in heights of the face: head and shoulders; head to feet."""

_MAX_PARTS = 32
_WORTH_IT = 0.8
"""A part that is larger than this share of the photo shows no more than the whole does."""

_WEIGHT_OF_FIGURE, _WEIGHT_OF_CLOSE = 3.0, 8.0
_EDGE = 24
"""The width of the border of a part, in pixels as the network sees it, in which its weight fades out."""


class _Part(Struct, frozen=True):
    """A part of the photo in pixels."""

    left: int
    top: int
    width: int
    height: int
    weight: float


def probability(photo: pyvips.Image, faces: list[Face]) -> pyvips.Image:
    """The probability of a person for each pixel of a photo (8-bit sRGB), one band of floats from 0 to 1.

    Best for a photo of about a megapixel: what is smaller than a few pixels is not seen anyway.
    """
    width, height = photo.width, photo.height
    whole = _seen(photo)
    total, weights = whole.copy(), np.ones((height, width), np.float32)
    for part in _parts(width, height, faces):
        rows, columns = slice(part.top, part.top + part.height), slice(part.left, part.left + part.width)
        weight = _window(part, width, height) * np.float32(part.weight)
        total[rows, columns] += _seen(photo.crop(part.left, part.top, part.width, part.height)) * weight
        weights[rows, columns] += weight
    # A part shows the heads better, and bodies worse: what was sure in the whole photo stays.
    sure = whole * np.clip((whole - np.float32(0.6)) / np.float32(0.35), 0, 1)
    return picture(np.maximum(total / weights, sure))


def _parts(width: int, height: int, faces: list[Face]) -> Iterator[_Part]:
    largest_first = sorted(faces, key=lambda face: face.height, reverse=True)
    sizes = [(_CLOSE, 1.2, _WEIGHT_OF_CLOSE), (_FIGURE, 1.2, _WEIGHT_OF_FIGURE)]
    parts = 0
    for size, above, weight in sizes:
        for face in largest_first:
            side = size * max(face.height * height, face.width * width)
            if parts == _MAX_PARTS or side > _WORTH_IT * max(width, height):
                continue
            x, y = face.centre
            left, top = x * width - side / 2, y * height - above * side / size
            if size == _CLOSE:
                top = y * height - side * 0.42
            right, bottom = min(round(left + side), width), min(round(top + side), height)
            left, top = max(round(left), 0), max(round(top), 0)
            if min(right - left, bottom - top) >= 8:
                parts += 1
                yield _Part(left, top, right - left, bottom - top, weight)


def _seen(part: pyvips.Image) -> Floats:
    """The network's answer, the size of the part."""
    small = part.resize(PEOPLE_SIDE / part.width, vscale=PEOPLE_SIDE / part.height, kernel="linear")
    small = small.gravity("north-west", PEOPLE_SIDE, PEOPLE_SIDE, extend="copy")
    (answer,) = people_network().run(pixels(small) / np.float32(255))
    full = picture(answer).resize(part.width / PEOPLE_SIDE, vscale=part.height / PEOPLE_SIDE, kernel="linear")
    return pixels(full.gravity("north-west", part.width, part.height, extend="copy"))[:, :, 0].copy()


def _window(part: _Part, width: int, height: int) -> Floats:
    """1 inside the part, falling to 0 at those of its borders that are not the photo's own."""

    def ramp(start: int, length: int, whole: int) -> Floats:
        edge = max(1.0, _EDGE * length / PEOPLE_SIDE)
        at = np.arange(length, dtype=np.float32) + np.float32(0.5)
        rising = np.ones(length, np.float32) if start == 0 else np.clip(at / edge, 0, 1)
        falling = np.ones(length, np.float32) if start + length == whole else np.clip(at[::-1] / edge, 0, 1)
        return (rising * falling).astype(np.float32)

    down, across = ramp(part.top, part.height, height), ramp(part.left, part.width, width)
    return np.outer(down, across).astype(np.float32)
