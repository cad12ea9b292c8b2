"""HDR photos (PQ, HLG) as sRGB: paper stays white, and what is brighter is brought below it without a change of hue."""

from __future__ import annotations

import array
from functools import lru_cache

import pyvips

from .profiles import inverse, native_xyz, product, rgb_to_xyz
from .structure.colour import BT709, Colour, Transfer

_VALUES = 65_536
_TOP = _VALUES - 1

_WHITE_NITS = 203.0
"""The light of white paper in an HDR picture (BT.2408)."""

_HLG_PEAK_NITS = 1_000.0
_HLG_GAMMA = 1.2

_KNEE = 0.8
"""Up to this part of white nothing changes; what is above, up to the brightest light, shares what is left."""

_HIGHLIGHTS_PERCENT = 99.9
"""The brightest thousandth of the pixels says nothing about how bright a picture is."""

_SAMPLE_SIDE = 512


def from_hdr(image: pyvips.Image, colour: Colour) -> pyvips.Image:
    """8-bit sRGB from RGB values of 8 or 16 bits in an HDR space; alpha stays. Takes memory for a float picture."""
    alpha = image[3:] if image.bands > 3 else None
    colours = image[:3] if alpha is not None else image
    table, is_deep = (_curve_of(colour.transfer), True) if image.format == "ushort" else (_short_curve(colour), False)
    light = colours.maplut(table)
    if colour.transfer is Transfer.HLG:
        luminance = light.recomb([list(native_xyz(colour.primaries)[1])])
        light = light * (luminance.cast("float") ** (_HLG_GAMMA - 1)) * (_HLG_PEAK_NITS / _WHITE_NITS)
    light = light.recomb([list(row) for row in _to_bt709(colour)])
    light = (light > 0).ifthenelse(light, 0).copy_memory()
    light = _below_white(light)
    srgb = (light * _TOP).cast("ushort").maplut(_srgb_curve()).copy(interpretation="srgb")
    if alpha is None:
        return srgb
    return srgb.bandjoin((alpha >> 8 if is_deep else alpha).cast("uchar")).copy(interpretation="srgb")


def _below_white(light: pyvips.Image) -> pyvips.Image:
    """Light of which white is 1, so that the highlights of the picture end at 1."""
    brightest = _highest(light)
    peak = _peak(brightest)
    if peak <= 1.0:
        return light
    # x / (1 + s * x) begins with the slope 1; s is chosen so that the peak becomes white.
    room, over = 1 - _KNEE, peak - _KNEE
    strength = (over / room - 1) / over
    above = brightest - _KNEE
    pressed = above / (above * strength + 1) + _KNEE
    scale = (brightest > _KNEE).ifthenelse(pressed / brightest, 1)
    return light * scale


def _highest(light: pyvips.Image) -> pyvips.Image:
    red, green, blue = light.bandsplit()
    first = (red > green).ifthenelse(red, green)
    return (first > blue).ifthenelse(first, blue)


def _peak(brightest: pyvips.Image) -> float:
    """The light of the highlights, white being 1."""
    shrink = max(1, max(brightest.width, brightest.height) // _SAMPLE_SIDE)
    sample = brightest.subsample(shrink, shrink) * 256
    return float((sample > _TOP).ifthenelse(_TOP, sample).cast("ushort").percent(_HIGHLIGHTS_PERCENT)) / 256


@lru_cache(maxsize=2)
def _curve_of(transfer: Transfer) -> pyvips.Image:
    """Light by value: with PQ its white is 1, with HLG it is that of the scene."""
    return _table([_light(transfer, value / _TOP) for value in range(_VALUES)])


@lru_cache(maxsize=2)
def _short_curve(colour: Colour) -> pyvips.Image:
    return _table([_light(colour.transfer, value / 255) for value in range(256)])


def _light(transfer: Transfer, value: float) -> float:
    return _pq(value) / _WHITE_NITS if transfer is Transfer.PQ else _hlg(value)


def _pq(value: float) -> float:
    """Nits by SMPTE ST 2084."""
    power = value ** (32 / 2523)
    return float(10_000 * (max(power - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * power)) ** (16_384 / 2610))


def _hlg(value: float) -> float:
    """Light of the scene, 0 to 1, by BT.2100."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return value * value / 3 if value <= 0.5 else float((2.718281828459045 ** ((value - c) / a) + b) / 12)


@lru_cache(maxsize=1)
def _srgb_curve() -> pyvips.Image:
    """Values of sRGB by light in steps of 1/65535."""
    lights = (at / _TOP for at in range(_VALUES))
    values = (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055 for light in lights)
    return pyvips.Image.new_from_memory(bytes(round(255 * value) for value in values), _VALUES, 1, 1, "uchar")


def _to_bt709(colour: Colour) -> tuple[tuple[float, ...], ...]:
    return product(inverse(rgb_to_xyz(BT709)), rgb_to_xyz(colour.primaries))


def _table(values: list[float]) -> pyvips.Image:
    return pyvips.Image.new_from_memory(array.array("f", values).tobytes(), len(values), 1, 1, "float")
