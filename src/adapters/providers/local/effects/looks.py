"""The `stylize` operation: one named look, at full strength or mixed with the photo."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyvips

from . import canvas, drawing, film, painting
from .settings import Look, StylizeSettings

_LOOKS: Mapping[Look, Callable[[pyvips.Image], pyvips.Image]] = {
    Look.OIL: painting.oil,
    Look.WATERCOLOR: painting.watercolor,
    Look.SKETCH: drawing.sketch,
    Look.COMIC: drawing.comic,
    Look.POP: drawing.pop,
    Look.NOIR: film.noir,
    Look.VINTAGE: film.vintage,
    Look.CYBER: film.cyber,
}


def stylize(image: pyvips.Image, settings: StylizeSettings) -> pyvips.Image:
    styled = _LOOKS[settings.look](image)
    if settings.strength == 100:
        return styled
    return canvas.to_uchar(canvas.mix(canvas.to_float(image), canvas.to_float(styled), settings.strength / 100))
