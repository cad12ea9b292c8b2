"""Keying: what stands before an even backdrop, by the backdrop's own colour. Needs no network."""

from __future__ import annotations

import pyvips

from . import canvas

_PROBE_SIDE = 500
_EVEN_SHARE = 0.8
"""A backdrop is even when this much of the photo's upper rim has its colour."""

_MAX_TEXTURE = 3.0
"""A backdrop is plain when its lightness (Lab) changes by less than this within a hand's breadth."""

_MIN_SCREEN_CHROMA = 30.0
"""Lab chroma of the rim from which a backdrop is a green or blue screen, not a wall."""

_SCREEN_SHARE = 0.85
"""A screen fills this share of what is not people."""


def is_vivid(photo: pyvips.Image) -> bool:
    """Whether a backdrop, where there is one, has the colour of a green or blue screen, and not of a wall."""
    _, a, b = _rim_lab(photo)
    return bool((a * a + b * b) ** 0.5 >= _MIN_SCREEN_CHROMA)


def fills_the_rest(backdrop: pyvips.Image, people: pyvips.Image) -> bool:
    """Whether a backdrop is all that is not people (0 to 1). A lawn is not."""
    rest = people * -1 + 1
    return bool((backdrop * rest).avg() >= _SCREEN_SHARE * rest.avg())


def backdrop(photo: pyvips.Image, tolerance: int) -> pyvips.Image | None:
    """1 on the backdrop, 0 on what stands before it; None where the photo has no even backdrop."""
    colour = _rim_lab(photo)
    rim = _rim(photo).colourspace("lab").copy_memory()
    texture = (rim[0] - canvas.blur(rim[0], 6 * canvas.unit(photo))).abs().avg()
    if _near(rim, colour, tolerance).avg() < _EVEN_SHARE or texture > _MAX_TEXTURE:
        return None
    near = _near(photo.colourspace("lab"), colour, tolerance).copy_memory()
    connected = _connected_to_rim(near)
    return canvas.clip(canvas.blur(near * connected, 0.8 * canvas.unit(photo)) * 1.25 - 0.12).copy_memory()


def _near(lab: pyvips.Image, colour: list[float], tolerance: int) -> pyvips.Image:
    """1 where a picture has the colour, 0 where it differs by more than the tolerance."""
    reach = 3 + 0.2 * tolerance
    # Light falls off over a backdrop: brightness may differ three times as far as colour.
    difference = (lab - colour) * [0.35, 1.0, 1.0]
    distance = ((difference * difference).bandmean() * 3) ** 0.5
    return canvas.smoothstep(distance * -1, -reach * 1.6, -reach * 0.8)


def _rim(image: pyvips.Image) -> pyvips.Image:
    """The strip along the upper edge, above people's heads."""
    return image.crop(0, 0, image.width, max(1, image.height // 16))


def _rim_rgb(photo: pyvips.Image) -> canvas.RGB:
    """The median colour of the upper rim."""
    rim = _rim(photo).copy_memory()
    red, green, blue = (rim[band].percent(50) / 255 for band in range(3))
    return red, green, blue


def _rim_lab(photo: pyvips.Image) -> list[float]:
    return list(canvas.to_uchar(canvas.plain(1, 1, _rim_rgb(photo))).colourspace("lab")(0, 0))


def _connected_to_rim(near: pyvips.Image) -> pyvips.Image:
    """1 where backdrop colour reaches the upper corners or sides unbroken: a shirt of that colour is not backdrop."""
    scale = min(1.0, _PROBE_SIDE / max(near.width, near.height))
    small = (near.resize(scale, kernel="linear") > 0.35).copy_memory()
    regions = small.labelregions().copy_memory()
    keep = None
    width, height = small.width, small.height
    seeds = [(x * (width - 1) // 12, 0) for x in range(13)]
    seeds += [(x, height * y // 8) for x in (0, width - 1) for y in range(1, 7)]
    labels = {int(regions(x, y)[0]) for x, y in seeds if small(x, y)[0]}
    for label in sorted(labels):
        same = regions == label
        keep = same if keep is None else keep | same
    if keep is None:
        return near * 0
    grown = canvas.to_float(keep.cast("uchar").dilate([[255] * 3] * 3))
    return canvas.clip(canvas.resize_to(grown.copy_memory(), near.width, near.height))
