"""The photographic looks: black and white, faded print, neon night. Done with tone, colour, light and grain."""

from __future__ import annotations

import pyvips

from . import canvas

_NOIR_MIX = [[0.55, 0.35, 0.10]]
"""Much red, as behind an orange filter: clear skin, dark skies."""


def noir(image: pyvips.Image) -> pyvips.Image:
    """Black and white of high contrast, with a glow, grain and dark corners."""
    unit = canvas.unit(image)
    grey = canvas.to_float(image).recomb(_NOIR_MIX)
    grey = canvas.clip(grey + (grey - canvas.blur(grey, 14 * unit)) * 0.45)
    grey = canvas.contrast(canvas.contrast(grey, 0.75) ** 1.1, 0.55).copy_memory()
    glow = canvas.blur(canvas.smoothstep(grey, 0.6, 1.0), 12 * unit)
    grey = canvas.screen(grey, glow * 0.16)
    toned = canvas.gradient_map(
        grey, [(0.0, (0.012, 0.012, 0.02)), (0.5, (0.49, 0.49, 0.50)), (1.0, (1.0, 0.995, 0.98))]
    )
    return canvas.to_uchar(canvas.grain(canvas.vignette(toned, 0.62), 0.05))


def vintage(image: pyvips.Image) -> pyvips.Image:
    """A print from a drawer: faded black, warm light, teal shadows, a light leak, grain."""
    unit = canvas.unit(image)
    picture = canvas.saturate(canvas.contrast(canvas.to_float(image), 0.35), 0.78).copy_memory()
    grey = canvas.luma(picture)
    shadows, lights = canvas.smoothstep(grey * -1, -0.55, -0.02), canvas.smoothstep(grey, 0.35, 0.95)
    picture = picture + shadows * [-0.015, 0.022, 0.045] + lights * [0.05, 0.015, -0.075]
    halo = canvas.blur(canvas.smoothstep(grey, 0.72, 0.98), 10 * unit)
    picture = canvas.screen(canvas.clip(picture), canvas.clip(halo * [0.22, 0.09, 0.04]))
    picture = picture * [0.86, 0.84, 0.78] + [0.085, 0.075, 0.085]
    picture = canvas.screen(canvas.vignette(picture, 0.42), _light_leak(image.width, image.height))
    return canvas.to_uchar(canvas.grain(picture, 0.045))


def cyber(image: pyvips.Image) -> pyvips.Image:
    """Neon night: indigo shadows, magenta middle, cyan light, bloom, and colours that part at the rim."""
    unit = canvas.unit(image)
    photo = canvas.to_float(image)
    grey = canvas.luma(photo)
    grey = canvas.contrast(canvas.clip(grey + (grey - canvas.blur(grey, 18 * unit)) * 0.5), 0.55).copy_memory()
    mapped = canvas.gradient_map(
        grey,
        [
            (0.0, canvas.rgb("#070420")),
            (0.28, canvas.rgb("#3B0A8C")),
            (0.55, canvas.rgb("#E3149B")),
            (0.8, canvas.rgb("#38D6FF")),
            (1.0, canvas.rgb("#F4FFFF")),
        ],
    )
    picture = canvas.clip(canvas.mix(mapped, canvas.saturate(photo, 1.5), 0.2)).copy_memory()
    bright = picture * canvas.smoothstep(grey, 0.45, 0.9)
    bloom = canvas.blur(bright, 22 * unit) * 0.55 + canvas.blur(bright, 6 * unit) * 0.2
    picture = canvas.screen(picture, canvas.clip(bloom)).copy_memory()
    apart = max(1, round(1.8 * unit))
    picture = canvas.shift(picture[0], apart, 0).bandjoin([picture[1], canvas.shift(picture[2], -apart, 0)])
    return canvas.to_uchar(canvas.grain(canvas.vignette(picture, 0.5), 0.03))


def _light_leak(width: int, height: int) -> pyvips.Image:
    """A warm glow that crept in at the right edge."""
    xy = pyvips.Image.xyz(width, height)
    x, y = xy[0] / width, xy[1] / height - 0.25
    leak = canvas.smoothstep(x - y * y * 0.6, 0.62, 1.15)
    return leak * [0.42, 0.17, 0.04]
