"""The `stylize` operation: one named look, at full strength or mixed with the photo."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyvips

from . import canvas, drawing, film, painting, tone
from .people.found import Face, find_faces
from .settings import Look, StylizeSettings

_BY_FACES: Mapping[Look, Callable[[pyvips.Image, list[Face]], pyvips.Image]] = {
    Look.OIL: painting.oil,
    Look.WATERCOLOR: painting.watercolor,
}
"""Looks whose brush follows the size of the faces."""

_LOOKS: Mapping[Look, Callable[[pyvips.Image], pyvips.Image]] = {
    Look.SKETCH: drawing.sketch,
    Look.COMIC: drawing.comic,
    Look.POP: drawing.pop,
    Look.NOIR: film.noir,
    Look.VINTAGE: film.vintage,
    Look.CYBER: film.cyber,
}


def stylize(image: pyvips.Image, settings: StylizeSettings) -> pyvips.Image:
    faces = find_faces(image)
    # In every look what is dark drowns: begin with a photo whose dark faces are lifted.
    bright = tone.lift(image, faces)
    by_faces = _BY_FACES.get(settings.look)
    styled = _LOOKS[settings.look](bright) if by_faces is None else by_faces(bright, faces)
    if settings.strength == 100:
        return styled
    return canvas.to_uchar(canvas.mix(canvas.to_float(image), canvas.to_float(styled), settings.strength / 100))
