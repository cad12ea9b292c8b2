"""What a photo's light is: its colour cast, and how dark its faces are. Measured on a small copy; bounded."""

from __future__ import annotations

import math
from collections import defaultdict
from math import exp, hypot, log

import pyvips

from . import canvas
from .people.found import Face

_PROBE_SIDE = 60
_WARM = (0.49, -0.87)
"""The direction from daylight to lamp light, in logarithms of linear red and blue over green."""

_COOLEST, _WARMEST = -0.35, 1.1
_STEP = 0.05
_TINTS = (0, -1, 1, -2, 2)
"""Steps along that direction (1.0 is about 3000 K left uncorrected), and across it, towards green or magenta."""

_NEAR = 0.09
"""How far a shade of grey may be from grey, in the same logarithms."""

_NEIGHBOURS = tuple(
    (x, y, exp(-0.5 * (hypot(x, y) * _STEP / _NEAR) ** 2))
    for x in range(-5, 6)
    for y in range(-5, 6)
    if hypot(x, y) * _STEP <= 3 * _NEAR
)

_PRIOR = 0.6
"""Casts beyond this are taken for one only when much of the photo agrees: sunsets are meant to be warm."""

_SKIN = (0.3, 0.85)
"""Where most skin lies along the direction in daylight: a correction that is found in the rest keeps faces there."""

_WARMEST_SKIN, _WARM_SCENE = 1.25, 0.6
"""Skin that is warmer than any skin, in a scene that is warm as a whole, tells of a lamp even where nothing is grey."""

_REMOVED = 0.85
"""The share of a cast that is taken out: some warmth of the evening stays."""

_FACE_LIGHTNESS = 0.5
"""A face darker than this (Lab lightness from 0 to 1) is lifted towards it."""

_MAX_LIFT, _MAX_LIFT_WITHOUT_FACES = 2.2, 1.7
_MAX_FACE = 0.2
"""A face that fills more than this share of the photo is too much of it to be left out."""

_Shades = dict[tuple[int, int], float]
"""Weights by warmth and tint, both in steps."""


def balance(photo: pyvips.Image, faces: list[Face]) -> list[float]:
    """Factors for linear red, green and blue that take most of a lamp's cast out; none is below 1."""
    probe = _probe(photo)
    shades = _shades(probe, [face for face in faces if face.width * face.height < _MAX_FACE])
    skin = _skin_warmth(probe, faces)
    coolest, warmest = _COOLEST, _WARMEST
    if skin is not None:
        coolest, warmest = max(coolest, min(skin - _SKIN[1], 0.0)), min(warmest, max(skin - _SKIN[0], 0.0))
    steps = range(math.ceil(coolest / _STEP), math.floor(warmest / _STEP) + 1)
    score, warmth, tint = max((_score(shades, step, tint), step, tint) for step in steps for tint in _TINTS)
    if not score:
        return [1.0, 1.0, 1.0]
    # A photo that also has much grey as it is is left nearly alone.
    share = _REMOVED * (1 - (_score(shades, 0, 0) / score) ** 2)
    along, across = warmth * _STEP, tint * _STEP
    # Small casts are a matter of taste.
    share *= min(max((abs(along) - 0.15) / 0.35, 0.0), 1.0)
    lamp = 0.0 if skin is None else min(skin - _WARMEST_SKIN, _middle_warmth(shades) - _WARM_SCENE, _WARMEST)
    if lamp > along:
        along, across, share = lamp, 0.0, _REMOVED
    red = share * (along * _WARM[0] - across * _WARM[1])
    blue = share * (along * _WARM[1] + across * _WARM[0])
    factors = [exp(-red), 1.0, exp(-blue)]
    least = min(factors)
    return [factor / least for factor in factors]


def _probe(photo: pyvips.Image) -> pyvips.Image:
    return photo.thumbnail_image(_PROBE_SIDE, height=_PROBE_SIDE, size="down").copy_memory()


def _shades(probe: pyvips.Image, left_out: list[Face]) -> _Shades:
    """The weight of each shade of colour, without what is black, blown out or in a face."""
    shades: _Shades = defaultdict(float)
    data = bytes(probe.write_to_memory())
    for row in range(probe.height):
        for column in range(probe.width):
            at = (row * probe.width + column) * 3
            red, green, blue = data[at : at + 3]
            if min(red, green, blue) < 8 or max(red, green, blue) > 250:
                continue
            x, y = column / probe.width, row / probe.height
            if any(0 <= x - face.left <= face.width and 0 <= y - face.top <= face.height for face in left_out):
                continue
            warmth, tint = _along(red, green, blue)
            shades[round(warmth / _STEP), round(tint / _STEP)] += (max(red, green, blue) / 255) ** 1.5
    return shades


def _along(red: float, green: float, blue: float) -> tuple[float, float]:
    """Warmth and tint of an 8-bit colour."""
    over_green = 2.2 * log(red / green), 2.2 * log(blue / green)
    warmth = over_green[0] * _WARM[0] + over_green[1] * _WARM[1]
    return warmth, over_green[1] * _WARM[0] - over_green[0] * _WARM[1]


def _score(shades: _Shades, warmth: int, tint: int) -> float:
    """How much of the photo is grey if this is the colour of its light, and how likely such a light is."""
    near = sum(shades.get((warmth + x, tint + y), 0.0) * weight for x, y, weight in _NEIGHBOURS)
    return near * exp(-0.5 * ((warmth * _STEP / _PRIOR) ** 2 + (tint * _STEP / 0.15) ** 2))


def _middle_warmth(shades: _Shades) -> float:
    """The warmth of the photo's median shade."""
    half = sum(shades.values()) / 2
    for (warmth, _), weight in sorted(shades.items()):
        half -= weight
        if half <= 0:
            return warmth * _STEP
    return 0.0


def _skin_warmth(probe: pyvips.Image, faces: list[Face]) -> float | None:
    """How warm the faces are, None without faces."""
    warmths = []
    for face in faces[:8]:
        left, top = face.left + face.width * 0.2, face.top + face.height * 0.2
        inner = canvas.part(probe, left, top, face.width * 0.6, face.height * 0.6).copy_memory()
        red, green, blue = (max(inner[band].percent(50), 1) for band in range(3))
        warmths.append(_along(red, green, blue)[0])
    return sorted(warmths)[len(warmths) // 2] if warmths else None


def lift_needed(photo: pyvips.Image, faces: list[Face]) -> float:
    """The factor for the lightness of what is dark: of faces, or, without faces, of the middle of the photo."""
    lightness = photo.thumbnail_image(400, height=400, size="down").colourspace("lab")[0].copy_memory() / 100
    levels = (lightness * 255).cast("uchar").copy_memory()
    if faces:
        middles = []
        for face in faces[:12]:
            inner = canvas.part(levels, face.left, face.top, face.width, face.height).copy_memory()
            middles.append(inner.percent(60) / 255)
        dark, most = sorted(middles)[len(middles) // 2], _MAX_LIFT
    else:
        # Half of what is darkest, in the middle, where guests stand.
        dark = canvas.part(levels, 0.2, 0.2, 0.6, 0.8).copy_memory().percent(40) / 255 * 1.25
        most = _MAX_LIFT_WITHOUT_FACES
    wanted = _FACE_LIGHTNESS / max(float(dark), 0.02)
    # Skin may be dark: the nearer the face is to its wanted lightness, the less is done.
    return float(min(max(1.0, wanted**0.8), most))


def lifted(light: pyvips.Image, factor: float, unit: float) -> pyvips.Image:
    """Factors for lightness and colour that lift dark areas, and leave bright ones and all edges as they are."""
    base = canvas.smoothed(light, 18 * unit, evenness=0.006).clamp(min=0, max=1)
    # Full in the shadows, fading out where the photo is bright: nothing is pushed into white.
    share = canvas.smoothstep(base * -1, -0.75, -0.3)
    return share * (factor - 1) + 1
