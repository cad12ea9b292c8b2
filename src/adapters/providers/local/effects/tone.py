"""The `enhance` operation: what a careful hand would correct, and no more."""

from __future__ import annotations

from math import log

import pyvips

from . import canvas
from .settings import EnhanceSettings

_PROBE_SIDE = 400
_LOW_PERCENT, _HIGH_PERCENT = 0.4, 99.6
_MAX_STRETCH = 1.5
_MAX_CAST = 1.18
_MIDDLE = 0.46
_CHROMA_FULL = 70.0
"""Lab chroma above which a colour counts as vivid enough."""


def enhance(image: pyvips.Image, settings: EnhanceSettings) -> pyvips.Image:
    strength = settings.strength / 100
    curved = image.maplut(_curves(image, strength, settings.warmth / 100)).copy(interpretation="srgb")
    lab = curved.colourspace("lab").copy_memory()
    light = _local_contrast(lab[0] / 100, strength)
    colour = _vibrance(lab.extract_band(1, n=2), strength)
    done = (light * 100).bandjoin(colour).copy(interpretation="lab").colourspace("srgb")
    if settings.sharpness:
        sigma, slope = 0.7 + 0.25 * canvas.unit(image), 3 * settings.sharpness / 100
        done = done.sharpen(sigma=sigma, x1=2, y2=8, y3=12, m1=0, m2=slope)
    return done.cast("uchar")


def _curves(image: pyvips.Image, strength: float, warmth: float) -> pyvips.Image:
    """One curve per colour: white balance, then levels, then brightness, all measured on a small copy."""
    probe = image.thumbnail_image(_PROBE_SIDE, height=_PROBE_SIDE, size="down").copy_memory()
    gains = _white_balance(probe, strength, warmth)
    low, high, gamma = _levels(canvas.clip(canvas.to_float(probe) * gains), strength)
    curves = [
        [255 * min(max((value / 255 * gain - low) / (high - low), 0.0), 1.0) ** gamma + 0.5 for value in range(256)]
        for gain in gains
    ]
    bands = [pyvips.Image.new_from_array([curve]) for curve in curves]
    return bands[0].bandjoin(bands[1:]).cast("uchar")


def _white_balance(probe: pyvips.Image, strength: float, warmth: float) -> list[float]:
    """Shades of grey: the brighter parts of a scene are about neutral; colour that is meant stays by the bound."""
    floats = canvas.to_float(probe)
    powers = [(floats[band] ** 5).avg() ** 0.2 for band in range(3)]
    middle = sum(powers) / 3
    gains = [min(max(middle / max(power, 1e-3), 1 / _MAX_CAST), _MAX_CAST) for power in powers]
    tint = (1 + 0.12 * warmth, 1.0, 1 - 0.16 * warmth)
    return [(1 + (gain - 1) * strength * 0.6) * shade for gain, shade in zip(gains, tint, strict=True)]


def _levels(probe: pyvips.Image, strength: float) -> tuple[float, float, float]:
    """Black, white and gamma: from the photo's own darkest and brightest parts, and from its median."""
    grey = canvas.to_uchar(canvas.luma(probe)).copy(interpretation="b-w").copy_memory()
    low = grey.percent(_LOW_PERCENT) / 255 * strength
    high = 1 - (1 - grey.percent(_HIGH_PERCENT) / 255) * strength
    if high - low < 1 / _MAX_STRETCH:
        middle = (low + high) / 2
        low = min(max(middle - 0.5 / _MAX_STRETCH, 0.0), 1 - 1 / _MAX_STRETCH)
        high = low + 1 / _MAX_STRETCH
    median = min(max((grey.percent(50) / 255 - low) / (high - low), 0.05), 0.95)
    # A gamma that would bring the median to the middle, taken only part of the way: dark scenes stay dark scenes.
    wanted = min(max(log(_MIDDLE) / log(median), 0.65), 1.25)
    return low, high, 1 + (wanted - 1) * 0.55 * strength


def _local_contrast(light: pyvips.Image, strength: float) -> pyvips.Image:
    """Opens shadows, holds highlights, and adds clarity where it would not draw halos."""
    base = canvas.blur(light, 16 * canvas.unit(light)).clamp(min=0, max=1)
    above, square = base * -1 + 1, base * base
    lift = (above * above * above * base * 0.9 - square * square * above * 0.6).copy_memory()
    detail = light - base
    # Strong edges get less than texture, so that no bright line runs along them.
    clarity = detail / (detail.abs() * 5 + 1)
    return canvas.clip(light + (lift + clarity * 0.5) * strength)


def _vibrance(colour: pyvips.Image, strength: float) -> pyvips.Image:
    """Pale colours gain more than vivid ones, which keeps skin and neon as they are."""
    chroma = ((colour * colour).bandmean() * 2) ** 0.5
    return colour * (canvas.clip(chroma / -_CHROMA_FULL + 1) * 0.38 * strength + 1)
