"""The drawn looks: pencil, comic and pop art. Lines come from differences of blurs, so they swell like ink does."""

from __future__ import annotations

import math

import pyvips

from . import canvas
from .painting import PAINT_SIDE, patches

_PAPER = (0.975, 0.965, 0.94)
_GRAPHITE = (0.13, 0.13, 0.15)

_POP_PALETTES: tuple[tuple[str, str, str, str], ...] = (
    ("#1B1464", "#E6007E", "#FF9F1C", "#FFF275"),
    ("#2D0A4E", "#0091AD", "#39D98A", "#FDF0D5"),
    ("#3A0519", "#EF233C", "#FF8FAB", "#BDE0FE"),
    ("#03254C", "#7209B7", "#F72585", "#FFD60A"),
)


def sketch(image: pyvips.Image) -> pyvips.Image:
    """Graphite on paper: fine outlines, and crossed hatching that grows denser in the shadows."""
    grey = canvas.luma(canvas.to_float(image)).copy_memory()
    unit = canvas.unit(image)
    soft = canvas.blur(grey, 6 * unit)
    outline = canvas.smoothstep((grey + 0.03) / (soft + 0.03), 0.55, 1.0)
    shade = canvas.clip((canvas.blur(grey, 2 * unit) - 0.05) / 0.8) * -1 + 1
    falling = _hatch(image.width, image.height, unit, slope=1, seed=21)
    rising = _hatch(image.width, image.height, unit, slope=-1, seed=22)
    strokes = canvas.clip(shade * (falling * 0.55 + 0.62))
    crossed = canvas.clip((shade - 0.5) * (rising * 1.1 + 1.0))
    lead = (outline * -1 + 1) * 0.85 + strokes * 0.72 + crossed * 0.35
    lead = lead.clamp(min=0, max=0.96)
    return canvas.to_uchar(canvas.mix(canvas.flat(image, _PAPER), canvas.flat(image, _GRAPHITE), lead))


def comic(image: pyvips.Image) -> pyvips.Image:
    """Ink outlines, few flat colours, and printing dots in the middle tones."""
    photo = canvas.to_float(image)
    unit = canvas.unit(image)
    small = canvas.at_most(photo, PAINT_SIDE)
    cells = patches(small, 3 * canvas.unit(small)).copy_memory()
    cells = canvas.clip(canvas.resize_to(cells, image.width, image.height)).copy_memory()
    grey = canvas.luma(cells)
    steps = _steps(canvas.contrast(grey, 0.1), 6)
    # Steps of skin are softened by what lies between them: a cheek is no map.
    colours = canvas.saturate(cells * canvas.mix(steps * 0 + 1, (steps + 0.04) / (grey + 0.04), 0.65), 1.55)
    dots = _dots(image.width, image.height, 5.5 * unit)
    printed = canvas.smoothstep(dots - canvas.clip(grey * 1.5 - 0.05), -0.07, 0.07) * (grey < 0.62).ifthenelse(1, 0)
    colours = colours * (printed * -0.2 + 1)
    return canvas.to_uchar(colours * (_ink(canvas.luma(photo), unit) * -1 + 1))


def pop(image: pyvips.Image) -> pyvips.Image:
    """Four prints of the photo in four loud palettes, as on a screen-printed sheet."""
    width, height = max(1, image.width // 2), max(1, image.height // 2)
    small = canvas.to_float(canvas.resize_to(image, width, height, kernel="linear")).copy_memory()
    unit = canvas.unit(small)
    grey = canvas.luma(patches(small, 3.5 * unit)).copy_memory()
    low, high = _spread(grey)
    steps = _steps(canvas.clip((grey - low) / (high - low)), 4).copy_memory()
    ink = _ink(canvas.luma(small), unit).copy_memory()
    prints = []
    for palette in _POP_PALETTES:
        stops = [(index / 3, canvas.rgb(colour)) for index, colour in enumerate(palette)]
        printed = canvas.gradient_map(steps, stops)
        prints.append(canvas.to_uchar(canvas.mix(printed, canvas.flat(small, stops[0][1]), ink * 0.85)).copy_memory())
    sheet = pyvips.Image.arrayjoin(prints, across=2)
    return canvas.resize_to(sheet, image.width, image.height)


def _hatch(width: int, height: int, unit: float, *, slope: int, seed: int) -> pyvips.Image:
    """Diagonal pencil strokes around 0: noise drawn out along one direction."""
    length = max(3, round(14 * unit))
    line = [
        [int(column == (row if slope > 0 else length - 1 - row)) for column in range(length)] for row in range(length)
    ]
    scratches = canvas.noise(width, height, seed=seed).gaussblur(max(0.4 * unit, 0.3), precision="float")
    return canvas.steadied(scratches.conv(pyvips.Image.new_from_array(line, scale=length), precision="float"))


def _ink(grey: pyvips.Image, unit: float) -> pyvips.Image:
    """Where a pen would draw: 1 on lines and in deep shadow, 0 elsewhere."""
    fine, wide = canvas.blur(grey, 1.1 * unit), canvas.blur(grey, 1.9 * unit)
    edge = fine - wide * 0.985
    lines = canvas.smoothstep(edge * -1, -0.004, 0.012)
    return (lines + canvas.smoothstep(fine * -1, -0.13, -0.05)).clamp(min=0, max=1)


def _steps(grey: pyvips.Image, count: int) -> pyvips.Image:
    """Grey in `count` steps with slightly soft borders, so that they do not look like stairs."""
    scaled = grey * (count - 1)
    base = scaled.floor()
    return (base + canvas.smoothstep(scaled - base, 0.38, 0.62)) / (count - 1)


def _dots(width: int, height: int, size: float) -> pyvips.Image:
    """A printer's screen at 45 degrees: from 0 in the middle of a dot to 1 between the dots."""
    xy = pyvips.Image.xyz(width, height) * (180 / max(size, 2.0))
    u, v = (xy[0] + xy[1]) / math.sqrt(2), (xy[0] - xy[1]) / math.sqrt(2)
    return (u.cos() * v.cos() + 1) / 2


def _spread(grey: pyvips.Image) -> tuple[float, float]:
    """The grey values between which nearly all of the picture lies."""
    levels = (canvas.clip(grey) * 255).cast("uchar")
    low, high = levels.percent(2) / 255, levels.percent(98) / 255
    return (low, high) if high - low > 0.05 else (0.0, 1.0)
