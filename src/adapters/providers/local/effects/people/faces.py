"""Faces in a photo, by a detector that looks at the whole and at overlapping parts, so that groups are found too."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pyvips
from msgspec import Struct

from .. import canvas
from .found import Face
from .networks import FACE_SIDE, Floats, face_network, pixels

_SEARCH_SIDE = 1024
_MIN_SCORE, _MIN_SCORE_IN_PART = 0.6, 0.75
_MAX_OVERLAP = 0.3
_PARTS = (1.0, 0.5, 0.3)
"""Sides of the parts, as shares of the photo's shorter side."""

_LEAST_PART = 0.15
"""The least side of a part, as a share of the longer side: bounds the work for a panorama."""

_MIN_PART = 96
"""The least side of a part in pixels: there is nothing to be seen in fewer."""

_STEP = 0.7


def find(photo: pyvips.Image) -> list[Face]:
    """All faces of a photo (8-bit sRGB), the surest first. Looks at no more than about a megapixel of it."""
    photo = canvas.at_most(photo, _SEARCH_SIDE)
    shorter, longer = sorted((photo.width, photo.height))
    found = list(_detected(_scaled(photo, longer), 0, 0, _MIN_SCORE))
    for part in sorted({max(share * shorter, longer * _LEAST_PART) for share in _PARTS}):
        if part < _MIN_PART:
            continue
        search = _scaled(photo, part)
        for top in _starts(search.height):
            for left in _starts(search.width):
                faces = _detected(search, left, top, _MIN_SCORE_IN_PART)
                found += [face for face in faces if _is_whole(face, search, left, top)]
    found.sort(key=lambda face: face.score, reverse=True)
    kept: list[Face] = []
    for face in found:
        if all(_overlap(face, other) < _MAX_OVERLAP for other in kept):
            kept.append(face)
    return kept


class _Search(Struct, frozen=True):
    """The photo scaled so that a part of it is what the network looks at, padded with grey at the right and bottom."""

    values: Floats
    width: int
    height: int


def _scaled(photo: pyvips.Image, part: float) -> _Search:
    """The photo scaled so that `part` pixels of it become the side of the network's picture."""
    width, height = (max(1, round(side * FACE_SIDE / part)) for side in (photo.width, photo.height))
    small = canvas.resize_to(photo, width, height, kernel="linear")
    padded = small.embed(0, 0, max(width, FACE_SIDE), max(height, FACE_SIDE), extend="background", background=[127.5])
    return _Search(pixels(padded) / np.float32(127.5) - np.float32(1), width, height)


def _starts(length: int) -> list[int]:
    """Where parts begin that overlap and cover this length."""
    room = max(length - FACE_SIDE, 0)
    count = math.ceil(room / (FACE_SIDE * _STEP)) + 1
    return [round(room * number / max(count - 1, 1)) for number in range(count)]


def _detected(search: _Search, left: int, top: int, min_score: float) -> Iterator[Face]:
    """The faces that the network finds in a part, each perhaps several times."""
    part = search.values[top : top + FACE_SIDE, left : left + FACE_SIDE]
    boxes, scores = face_network().run(part)
    likely = 1 / (1 + np.exp(-np.clip(scores[:, 0], -60, 60)))
    for number in np.flatnonzero(likely >= min_score):
        x, y, width, height = (float(value) for value in boxes[number, :4])
        x, y = x + float(_ANCHORS[number, 0]), y + float(_ANCHORS[number, 1])
        yield Face(
            left=(left + x - width / 2) / search.width,
            top=(top + y - height / 2) / search.height,
            width=width / search.width,
            height=height / search.height,
            score=float(likely[number]),
        )


def _anchors() -> Floats:
    """The points that the network's boxes are relative to: 16 × 16 cells with two boxes, then 8 × 8 with six."""
    rows = [
        ((column + 0.5) / cells * FACE_SIDE, (row + 0.5) / cells * FACE_SIDE)
        for cells, boxes in ((16, 2), (8, 6))
        for row in range(cells)
        for column in range(cells)
        for _ in range(boxes)
    ]
    return np.array(rows, np.float32)


_ANCHORS = _anchors()


def _is_whole(face: Face, search: _Search, left: int, top: int) -> bool:
    """Whether a face lies inside its part: one that is cut by the border has a box of the wrong size."""
    margin = 0.1 * face.width * search.width
    x, y = face.left * search.width - left, face.top * search.height - top
    right, bottom = x + face.width * search.width, y + face.height * search.height
    return min(x, y) > -margin and max(right, bottom) < FACE_SIDE + margin


def _overlap(one: Face, other: Face) -> float:
    """The common area as a share of the smaller face."""
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / min(one.width * one.height, other.width * other.height)
