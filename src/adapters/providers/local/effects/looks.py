"""The `stylize` operation: one named look, at full strength or mixed with the photo."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyvips

from . import canvas, drawing, film, painting, tone
from .people.found import Face, find_faces
from .settings import Look, StylizeSettings

_PAINTED: Mapping[Look, Callable[[pyvips.Image, list[Face]], pyvips.Image]] = {
    Look.OIL: painting.oil,
    Look.WATERCOLOR: lambda image, _: painting.watercolor(image),
    Look.SKETCH: lambda image, _: drawing.sketch(image),
    Look.COMIC: lambda image, _: drawing.comic(image),
    Look.POP: lambda image, _: drawing.pop(image),
}
"""Looks of paint and ink, in which what is dark drowns: they begin with a photo whose dark faces are lifted."""

_FILMED: Mapping[Look, Callable[[pyvips.Image], pyvips.Image]] = {
    Look.NOIR: film.noir,
    Look.VINTAGE: film.vintage,
    Look.CYBER: film.cyber,
}


def stylize(image: pyvips.Image, settings: StylizeSettings) -> pyvips.Image:
    painted = _PAINTED.get(settings.look)
    if painted is None:
        styled = _FILMED[settings.look](image)
    else:
        faces = find_faces(image)
        styled = painted(tone.lift(image, faces), faces)
    if settings.strength == 100:
        return styled
    return canvas.to_uchar(canvas.mix(canvas.to_float(image), canvas.to_float(styled), settings.strength / 100))
