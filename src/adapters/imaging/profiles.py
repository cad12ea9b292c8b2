"""ICC profiles: what the ones that come mean, and ones of our own for colour spaces that are given by numbers."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache

import pyvips

from .structure.colour import Colour, Primaries, Transfer

Matrix = tuple[tuple[float, ...], ...]

_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD: Matrix = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))

_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)

_MAX_DIFFERENCE = 2
"""Steps of 255 within which two profiles show the same colours: rounding in the profiles themselves takes one."""

_STEPS = (0, 1, 2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 255)


@lru_cache(maxsize=8)
def profile_of(colour: Colour) -> bytes:
    """A profile (ICC.1:2010, matrix and curves) for a colour space that is no HDR one."""
    columns = zip(*rgb_to_xyz(colour.primaries), strict=True)
    if colour.transfer is Transfer.SRGB:
        curve = struct.pack(">4s4xH2x5i", b"para", 3, *(_fixed(value) for value in _SRGB_CURVE))
    else:
        curve = struct.pack(">4s4xH2xi", b"para", 0, _fixed(colour.gamma))
    bodies = [*(_xyz(column) for column in columns), _xyz(_D50), curve]
    names = (b"rXYZ", b"gXYZ", b"bXYZ", b"wtpt", b"rTRC", b"gTRC", b"bTRC")
    at = 128 + 4 + 12 * len(names)
    table = b""
    for index, name in enumerate(names):
        body = bodies[min(index, len(bodies) - 1)]
        table += struct.pack(">4sII", name, at, len(body))
        at += len(body) if index < len(bodies) - 1 else 0
    data = b"".join(bodies)
    size = 128 + 4 + len(table) + len(data)
    header = struct.pack(">I4sI4s4s4s12x4s28x", size, b"", 0x04300000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    header += struct.pack(">3i", *(_fixed(value) for value in _D50))
    return header.ljust(128, b"\0") + struct.pack(">I", len(names)) + table + data


@lru_cache(maxsize=32)
def is_srgb(profile: bytes, bands: int) -> bool:
    """Whether colours with a profile look as they do without one, as they also do where it is broken.

    ICC has many ways to write sRGB, so this is tried out: on the grey steps, or on a cube of colours.
    """
    steps = pyvips.Image.new_from_memory(bytes(_STEPS), len(_STEPS), 1, 1, "uchar")
    if bands == 1:
        colours = steps.copy(interpretation="b-w")
    else:
        values = [(r, g, b) for r in _STEPS[::4] for g in _STEPS[::4] for b in _STEPS[::4]]
        values += [(value, value, value) for value in _STEPS]
        packed = bytes(channel for value in values for channel in value)
        cube = pyvips.Image.new_from_memory(packed, len(values), 1, 3, "uchar")
        colours = cube.copy(interpretation="srgb")
    tagged = colours.copy()
    tagged.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    try:
        seen = tagged.icc_transform("srgb", embedded=True, intent="perceptual", depth=8)
        return bool((seen - colours.colourspace("srgb")).abs().max() <= _MAX_DIFFERENCE)
    except pyvips.Error:
        return False


def rgb_to_xyz(primaries: Primaries) -> Matrix:
    """The matrix from linear RGB to XYZ of ICC, whose white is D50 (Bradford adaptation)."""
    white = _xyz_of(primaries.white)
    cone = [
        sum(a * b for a, b in zip(row, _D50, strict=True)) / sum(a * b for a, b in zip(row, white, strict=True))
        for row in _BRADFORD
    ]
    adapted = tuple(tuple(value * cone[at] for value in row) for at, row in enumerate(_BRADFORD))
    return product(inverse(_BRADFORD), product(adapted, native_xyz(primaries)))


def native_xyz(primaries: Primaries) -> Matrix:
    """The matrix from linear RGB to XYZ; its second row is the share of each colour in the luminance."""
    columns = tuple(zip(*(_xyz_of(point) for point in primaries[:3]), strict=True))
    shares = product(inverse(columns), tuple((value,) for value in _xyz_of(primaries.white)))
    return tuple(tuple(value * shares[at][0] for at, value in enumerate(row)) for row in columns)


def product(first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]) -> Matrix:
    """The product of two matrices."""
    columns = tuple(zip(*second, strict=True))
    return tuple(tuple(sum(a * b for a, b in zip(row, column, strict=True)) for column in columns) for row in first)


def inverse(matrix: Sequence[Sequence[float]]) -> Matrix:
    """The inverse of a matrix of three rows."""
    (a, b, c), (d, e, f), (g, h, i) = matrix
    cofactors = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    determinant = a * cofactors[0][0] + b * cofactors[1][0] + c * cofactors[2][0]
    return tuple(tuple(value / determinant for value in row) for row in cofactors)


def _xyz_of(point: tuple[float, float]) -> tuple[float, float, float]:
    x, y = point
    return x / y, 1.0, (1 - x - y) / y


def _fixed(value: float) -> int:
    return round(value * 65_536)


def _xyz(values: Sequence[float]) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *(_fixed(value) for value in values))
