"""The `enhance` operation: what a careful hand would correct, and no more."""

from __future__ import annotations

from math import log

import pyvips

from . import canvas, light
from .people.found import Face, find_faces
from .settings import EnhanceSettings

_PROBE_SIDE = 400
_LOW_PERCENT, _HIGH_PERCENT = 0.4, 99.6
_MAX_STRETCH = 1.5
_MIDDLE = 0.46
_NOISE = 0.02
_CHROMA_FULL = 70.0
"""Lab chroma above which a colour counts as vivid enough."""

_FULL_CORRECTION = 0.7
"""The strength from which on casts and dark faces are corrected in full."""


def enhance(image: pyvips.Image, settings: EnhanceSettings) -> pyvips.Image:
    strength = settings.strength / 100
    correction = min(1.0, strength / _FULL_CORRECTION)
    faces = find_faces(image) if correction else []
    factors = [factor**correction for factor in light.balance(image, faces)]
    curved = image.maplut(_curves(image, factors, strength, settings.warmth / 100)).copy(interpretation="srgb")
    curved = curved.copy_memory()
    lab = curved.colourspace("lab").copy_memory()
    lightness, colour = lab[0] / 100, lab.extract_band(1, n=2)
    lift = 1 + (light.lift_needed(curved, faces) - 1) * correction
    if lift > 1.02:
        factor = light.lifted(lightness, lift, canvas.unit(image)).copy_memory()
        lightness, colour = canvas.clip(lightness * factor).copy_memory(), colour * factor**0.8
    lightness = _local_contrast(lightness, strength)
    colour = _vibrance(colour, strength)
    if settings.sharpness:
        lightness = _sharpened(lightness.copy_memory(), 0.7 + 0.25 * canvas.unit(image), 3 * settings.sharpness / 100)
    done = (lightness * 100).bandjoin(colour).copy(interpretation="lab")
    return done.colourspace("srgb").cast("uchar")


def lift(image: pyvips.Image, faces: list[Face]) -> pyvips.Image:
    """The photo with dark faces, or all of it if it is dark, lifted; one that is bright enough unchanged."""
    factor = light.lift_needed(image, faces)
    if factor <= 1.1:
        return image
    lab = image.colourspace("lab").copy_memory()
    factors = light.lifted(lab[0] / 100, factor, canvas.unit(image)).copy_memory()
    done = (lab[0] * factors).bandjoin(lab.extract_band(1, n=2) * factors**0.8).copy(interpretation="lab")
    return done.colourspace("srgb").cast("uchar").copy_memory()


def _curves(image: pyvips.Image, factors: list[float], strength: float, warmth: float) -> pyvips.Image:
    """One curve per colour: white balance, then levels, then brightness, all measured on a small copy."""
    tint = (1 + 0.12 * warmth, 1.0, 1 - 0.16 * warmth)
    gains = [factor ** (1 / 2.2) * shade for factor, shade in zip(factors, tint, strict=True)]
    probe = image.thumbnail_image(_PROBE_SIDE, height=_PROBE_SIDE, size="down").copy_memory()
    low, high, gamma = _levels(canvas.clip(canvas.to_float(probe) * gains), strength)
    curves = [
        [255 * min(max((value / 255 * gain - low) / (high - low), 0.0), 1.0) ** gamma + 0.5 for value in range(256)]
        for gain in gains
    ]
    bands = [pyvips.Image.new_from_array([curve]) for curve in curves]
    return bands[0].bandjoin(bands[1:]).cast("uchar")


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


def _sharpened(light: pyvips.Image, sigma: float, slope: float) -> pyvips.Image:
    """Fine detail made stronger, in bounds; what is no more than noise is left out."""
    detail = light - light.gaussblur(sigma, precision="float")
    strong = detail - detail.clamp(min=-_NOISE, max=_NOISE)
    return light + (strong * slope).clamp(min=-0.12, max=0.08)


def _vibrance(colour: pyvips.Image, strength: float) -> pyvips.Image:
    """Pale colours gain more than vivid ones, which keeps skin and neon as they are."""
    chroma = ((colour * colour).bandmean() * 2) ** 0.5
    return colour * (canvas.clip(chroma / -_CHROMA_FULL + 1) * 0.38 * strength + 1)
