"""How the colour values of a picture are meant where it says so without a profile: by numbers of H.273, or by its own.

None stands for sRGB, which is also what a picture is taken for that says nothing.
"""

from __future__ import annotations

import enum
from itertools import chain
from typing import NamedTuple


class Transfer(enum.Enum):
    """How values are turned into light."""

    SRGB = "sRGB"
    GAMMA = "gamma"
    PQ = "PQ"
    HLG = "HLG"


class Primaries(NamedTuple):
    """The colours that red, green, blue and white stand for, as x and y of CIE 1931."""

    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]
    white: tuple[float, float]


class Colour(NamedTuple):
    """A space of RGB values; `gamma` counts where that is the transfer."""

    primaries: Primaries
    transfer: Transfer
    gamma: float = 0.0

    @property
    def is_hdr(self) -> bool:
        """Whether values above the white of paper occur."""
        return self.transfer in (Transfer.PQ, Transfer.HLG)


_D65 = (0.3127, 0.3290)
_C = (0.310, 0.316)

BT709 = Primaries((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65)
P3 = Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65)
BT2020 = Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65)
_BT601 = Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65)

ADOBE_RGB = Colour(Primaries((0.640, 0.330), (0.210, 0.710), (0.150, 0.060), _D65), Transfer.GAMMA, 563 / 256)

_PRIMARIES = {
    1: BT709,
    4: Primaries((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    5: Primaries((0.640, 0.330), (0.290, 0.600), (0.150, 0.060), _D65),
    6: _BT601,
    7: _BT601,
    8: Primaries((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: BT2020,
    11: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: P3,
    22: Primaries((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}
_TRANSFERS = {
    4: (Transfer.GAMMA, 2.2),
    5: (Transfer.GAMMA, 2.8),
    8: (Transfer.GAMMA, 1.0),
    16: (Transfer.PQ, 0.0),
    18: (Transfer.HLG, 0.0),
}
"""Those of video cameras (1, 6, 14, 15) are meant for screens that show them like sRGB."""

_PNG_UNIT = 100_000
_SAME_XY = 0.01
_SAME_GAMMA = 0.05
_GAMMAS = (0.99, 3.1)


def from_numbers(primaries: int, transfer: int) -> Colour | None:
    """The space of code points of H.273 (`nclx`, `cICP`)."""
    curve, gamma = _TRANSFERS.get(transfer, (Transfer.SRGB, 0.0))
    return _unless_srgb(Colour(_PRIMARIES.get(primaries, BT709), curve, gamma))


def from_png(gamma: bytes | None, chromaticities: bytes | None) -> Colour | None:
    """The space of a PNG's gAMA and cHRM chunks. What makes no sense in them says nothing."""
    exponent = _PNG_UNIT / value if gamma and (value := int.from_bytes(gamma[:4], "big")) else 0.0
    is_usual = not _GAMMAS[0] <= exponent <= _GAMMAS[1] or abs(exponent - 2.2) <= _SAME_GAMMA * 2.2
    primaries = BT709
    if chromaticities is not None and len(chromaticities) == 32:
        values = [int.from_bytes(chromaticities[at : at + 4], "big") / _PNG_UNIT for at in range(0, 32, 4)]
        white, red, green, blue = zip(values[::2], values[1::2], strict=True)
        if _is_sensible(stated := Primaries(red, green, blue, white)):
            primaries = stated
    if is_usual and not _is_close(primaries, BT709):
        return Colour(primaries, Transfer.GAMMA, exponent if exponent else 2.2)
    return None if is_usual else Colour(primaries, Transfer.GAMMA, exponent)


def _unless_srgb(colour: Colour) -> Colour | None:
    return None if colour.transfer is Transfer.SRGB and _is_close(colour.primaries, BT709) else colour


def _is_close(first: Primaries, second: Primaries) -> bool:
    pairs = zip(chain.from_iterable(first), chain.from_iterable(second), strict=True)
    return all(abs(one - other) <= _SAME_XY for one, other in pairs)


def _is_sensible(primaries: Primaries) -> bool:
    """Whether the points are colours, and span a triangle that is worth it."""
    if not all(0 <= x <= 1 and 0.01 <= y <= 1 and x + y <= 1.001 for x, y in primaries):
        return False
    (rx, ry), (gx, gy), (bx, by), (wx, wy) = primaries
    area = abs((gx - rx) * (by - ry) - (bx - rx) * (gy - ry)) / 2
    return area > 0.02 and 0.2 < wx < 0.5 and 0.2 < wy < 0.5
