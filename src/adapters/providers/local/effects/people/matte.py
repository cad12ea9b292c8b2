"""The mask of people at full size: holes closed, every face inside, and edges that follow the photo's own."""

from __future__ import annotations

import numpy as np
import pyvips

from .. import canvas
from . import faces as detector
from .found import Face, People
from .networks import Floats, picture, pixels
from .segmentation import probability

_MEDIUM_SIDE, _WORK_SIDE = 1024, 720
_SURE = 0.5
_SEEN = 0.8
"""The mean probability in the middle of a face, below which the network has missed that person."""

_MIN_AREA = 0.0015
"""What is smaller than this share of the photo, and has no face, is no person."""

_MAX_HOLE = 0.004
_GUIDE_SIDE = 360
_REACH = 4
"""Radius of the guided filter in pixels of its size: about two pixels of what the network sees."""

_EVENNESS = 2e-4


def find(photo: pyvips.Image) -> People | None:
    """The people in a photo (8-bit sRGB), None when there are none."""
    medium = canvas.at_most(photo, _MEDIUM_SIDE)
    faces = detector.find(medium)
    small = canvas.at_most(medium, _WORK_SIDE)
    # Rather some surroundings too many than a translucent person.
    likely = canvas.smoothstep(probability(small, faces), 0.1, 0.75).copy_memory()
    cleaned = _without_specks_and_holes(_with_faces(likely, faces), faces)
    if cleaned is None:
        return None
    return People(mask=_refined(photo, small, cleaned), faces=faces)


def _with_faces(likely: pyvips.Image, faces: list[Face]) -> pyvips.Image:
    """Every face is inside the mask, also where the network saw no person."""
    at = pyvips.Image.xyz(likely.width, likely.height)
    for face in faces:
        left, top = face.left + face.width * 0.25, face.top + face.height * 0.2
        inner = canvas.part(likely, left, top, face.width * 0.5, face.height * 0.6)
        if inner.avg() > _SEEN:
            continue
        x, y = face.centre
        # The box ends at the eyebrows: the head reaches higher.
        across = (at[0] - x * likely.width) / (face.width * likely.width * 0.5)
        down = (at[1] - (y - 0.12 * face.height) * likely.height) / (face.height * likely.height * 0.68)
        inside = canvas.smoothstep((across * across + down * down) * -1, -1.15, -0.8)
        likely = (likely > inside).ifthenelse(likely, inside).copy_memory()
    return likely


def _without_specks_and_holes(likely: pyvips.Image, faces: list[Face]) -> pyvips.Image | None:
    """Only regions of a person's size or with a face; small holes in them are closed."""
    solid = pixels(likely)[:, :, 0] > _SURE
    regions, areas = _regions(solid)
    keep = areas >= _MIN_AREA * solid.size
    for face in faces:
        x, y = face.centre
        row = min(max(int(y * solid.shape[0]), 0), solid.shape[0] - 1)
        column = min(max(int(x * solid.shape[1]), 0), solid.shape[1] - 1)
        keep[regions[row, column]] = True
    outside = np.unique(regions[~solid])
    keep[outside] = False
    kept = keep[regions]
    if not kept.any():
        return None
    holes = areas < _MAX_HOLE * solid.size
    inner = np.zeros_like(holes)
    inner[outside] = True
    border = np.unique(np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]]))
    inner[border] = False
    filled = (inner & holes)[regions]
    near = canvas.blur(picture(kept.astype(np.float32)), 6)
    values = likely * canvas.clip(near * 6)
    closed = canvas.clip(canvas.blur(picture(filled.astype(np.float32)), 1) * 2)
    return (values > closed).ifthenelse(values, closed).copy_memory()


def _regions(solid: np.typing.NDArray[np.bool_]) -> tuple[np.typing.NDArray[np.int32], np.typing.NDArray[np.int64]]:
    """A number for each connected region, and the pixels of each number."""
    labels = picture(solid.astype(np.float32)).cast("uchar").labelregions()
    numbers = np.frombuffer(labels.cast("int").write_to_memory(), np.int32).reshape(solid.shape)
    return numbers, np.bincount(numbers.ravel())


def _refined(photo: pyvips.Image, small: pyvips.Image, likely: pyvips.Image) -> pyvips.Image:
    """The mask at the photo's size with the photo's own edges (a guided filter with a colour guide, He et al.).

    The filter's linear coefficients are found at a small size and applied at full size.
    """
    guide, values = canvas.at_most(small, _GUIDE_SIDE), canvas.at_most(likely, _GUIDE_SIDE)
    slopes, offset = _guided(pixels(guide) / np.float32(255), pixels(values)[:, :, 0])
    outer, core = canvas.smoothstep(likely, 0.0, 0.08), canvas.smoothstep(likely, 0.9, 0.99)
    line = picture(slopes).bandjoin(picture(offset)).copy_memory()
    line = canvas.resize_to(line, photo.width, photo.height, kernel="linear")
    guided = (photo * line.extract_band(0, n=3)).bandmean() * (3 / 255) + line[3]
    bounds = (outer.bandjoin(core) * 255 + 0.5).cast("uchar").copy_memory()
    bounds = canvas.resize_to(bounds, photo.width, photo.height, kernel="linear").copy_memory()
    outer, core = bounds[0], bounds[1]
    # The filter leaves a haze on both sides of weak edges.
    sharp = (canvas.smoothstep(guided, 0.12, 0.88) * outer + 0.5).cast("uchar")
    sharp = (sharp > core).ifthenelse(sharp, core)
    # What is sure is not calculated.
    is_open = (outer > 0) & (core < 255)
    return canvas.in_tiles(is_open.ifthenelse(sharp, core)).copy(interpretation="b-w")


def _guided(guide: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Slopes (three bands) and offset of the local linear models from the guide's colours to the values."""
    mean, middle = _box(guide), _box(values)
    cross = _box(guide * values[:, :, np.newaxis]) - mean * middle[:, :, np.newaxis]
    pairs = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    products = np.stack([guide[:, :, a] * guide[:, :, b] for a, b in pairs], axis=2)
    spread = _box(products) - np.stack([mean[:, :, a] * mean[:, :, b] for a, b in pairs], axis=2)
    rr, rg, rb, gg, gb, bb = (spread[:, :, number] for number in range(6))
    rr, gg, bb = rr + _EVENNESS, gg + _EVENNESS, bb + _EVENNESS
    # The inverse of the symmetric 3 × 3 matrix by its cofactors.
    a, b, c = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    d, e, f = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    size = np.maximum(rr * a + rg * b + rb * c, 1e-12)
    x, y, z = (cross[:, :, number] for number in range(3))
    slopes = np.stack([a * x + b * y + c * z, b * x + d * y + e * z, c * x + e * y + f * z], axis=2)
    slopes = (slopes / size[:, :, np.newaxis]).astype(np.float32)
    offset = middle - (slopes * mean).sum(axis=2)
    return _box(slopes), _box(offset)


def _box(values: Floats) -> Floats:
    """The mean over a square around each pixel, borders repeated."""
    pad = [(_REACH + 1, _REACH), (_REACH + 1, _REACH)] + [(0, 0)] * (values.ndim - 2)
    sums = np.pad(values, pad, mode="edge").astype(np.float64).cumsum(axis=0).cumsum(axis=1)
    size = 2 * _REACH + 1
    total = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    mean: Floats = (total / (size * size)).astype(np.float32)
    return mean
