"""The `background` operation: colour work around the middle of the photo, and keying of an even backdrop.

There is no model here that knows where a person ends. What is kept is the middle, where a booth's guests stand, or,
with `replace`, everything that is not connected to the edges by the backdrop's own colour.
"""

from __future__ import annotations

import pyvips

from . import canvas
from .settings import BackgroundMode, BackgroundSettings

_PROBE_SIDE = 500
_EVEN_SHARE = 0.8
"""A backdrop is even when this much of the photo's upper rim has its colour."""

_MAX_TEXTURE = 3.0
"""A backdrop is plain when its lightness (Lab) changes by less than this within a hand's breadth."""


def work(
    photo: pyvips.Image, settings: BackgroundSettings, backdrop: pyvips.Image | None
) -> tuple[pyvips.Image, BackgroundMode]:
    """The photo in the chosen mode, and the mode that was used: `replace` becomes `studio` without an even backdrop."""
    if settings.mode is BackgroundMode.REPLACE:
        mask = _backdrop_mask(photo, settings.tolerance)
        if mask is not None:
            return _replaced(photo, mask, settings, backdrop), BackgroundMode.REPLACE
    strength = settings.strength / 100
    picture = canvas.to_float(photo)
    if settings.mode is BackgroundMode.VIGNETTE:
        tone = canvas.smoothstep(canvas.radial(photo.width, photo.height, centre_y=0.48), 0.45, 1.45) * strength
        red, green, blue = canvas.rgb(settings.color)
        edge = canvas.flat(picture, (red * 0.22, green * 0.22, blue * 0.22))
        return canvas.to_uchar(canvas.mix(picture, edge, tone * 0.95)), settings.mode
    picture = picture.copy_memory()
    around = _around(photo).copy_memory()
    near, far = _bokeh(picture, 1.5 + 4 * strength), _bokeh(picture, 5 + 18 * strength)
    if settings.mode is not BackgroundMode.BOKEH:
        near, far = _washed(near, settings, strength * 0.7), _washed(far, settings, strength)
    # Two steps of blur: one alone would show the sharp photo shining through a haze.
    blurred = canvas.mix(near, far, canvas.smoothstep(around, 0.9, 1.35))
    picture = canvas.mix(picture, blurred, canvas.smoothstep(around, 0.68, 1.02))
    used = BackgroundMode.BOKEH if settings.mode is BackgroundMode.BOKEH else BackgroundMode.STUDIO
    return canvas.to_uchar(picture), used


def _around(photo: pyvips.Image) -> pyvips.Image:
    """Distance from the middle, where a person stands (head to lower edge): below 0.7 inside, 1 outside."""
    width, height = photo.width, photo.height
    xy = pyvips.Image.xyz(width, height)
    # A standing figure is about as wide as 0.75 of the photo's shorter side, whatever the format.
    x = (xy[0] - (width - 1) / 2) / (min(width, height) * 0.5)
    y = (xy[1] - (height - 1) * 0.56) / (height * 0.56)
    above = (y < 0).ifthenelse(y, y * 0.55)
    return (x * x + above * above) ** 0.5


def _bokeh(picture: pyvips.Image, width: float) -> pyvips.Image:
    """Out of focus: a wide blur in linear light, so that lamps and highlights bloom as in a lens."""
    bloom = picture * picture * (canvas.smoothstep(canvas.luma(picture), 0.75, 1.0) * 0.35 + 1)
    return canvas.blur(bloom, width * canvas.unit(picture)).clamp(min=0, max=1) ** 0.5


def _washed(picture: pyvips.Image, settings: BackgroundSettings, strength: float) -> pyvips.Image:
    """Lit like a studio backdrop in the colour: its own light and dark remain, its colours give way."""
    base = canvas.rgb(settings.color)
    grey = canvas.luma(picture)
    dark: canvas.RGB = (base[0] * 0.12, base[1] * 0.12, base[2] * 0.14)
    bright: canvas.RGB = (base[0] * 0.5 + 0.5, base[1] * 0.5 + 0.5, base[2] * 0.5 + 0.5)
    washed = canvas.gradient_map(grey, [(0.0, dark), (0.5, base), (1.0, bright)])
    lit = canvas.vignette(washed, 0.5 * strength)
    return canvas.mix(picture, lit, 0.25 + 0.65 * strength)


def _backdrop_mask(photo: pyvips.Image, tolerance: int) -> pyvips.Image | None:
    """1 on the backdrop, 0 on what stands before it; None where the photo has no even backdrop."""
    lab = photo.colourspace("lab").copy_memory()
    colour = _rim_lab(photo)
    reach = 3 + 0.2 * tolerance
    # Light falls off over a backdrop: brightness may differ three times as far as colour.
    difference = (lab - colour) * [0.35, 1.0, 1.0]
    distance = ((difference * difference).bandmean() * 3) ** 0.5
    near = canvas.smoothstep(distance * -1, -reach * 1.6, -reach * 0.8).copy_memory()
    lightness = _rim(lab[0])
    texture = (lightness - canvas.blur(lightness, 6 * canvas.unit(photo))).abs().avg()
    if _rim(near).avg() < _EVEN_SHARE or texture > _MAX_TEXTURE:
        return None
    connected = _connected_to_rim(near)
    return canvas.clip(canvas.blur(near * connected, 0.8 * canvas.unit(photo)) * 1.25 - 0.12).copy_memory()


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


def _replaced(
    photo: pyvips.Image, mask: pyvips.Image, settings: BackgroundSettings, backdrop: pyvips.Image | None
) -> pyvips.Image:
    """What stands in front over another backdrop, its rims freed from the old one's colour."""
    width, height = photo.width, photo.height
    picture = canvas.to_float(photo)
    if backdrop is not None:
        behind = canvas.to_float(canvas.cover(backdrop, width, height).cast("uchar"))
    else:
        base = canvas.rgb(settings.color)
        centre: canvas.RGB = (base[0] * 0.6 + 0.4, base[1] * 0.6 + 0.4, base[2] * 0.6 + 0.4)
        edge: canvas.RGB = (base[0] * 0.45, base[1] * 0.45, base[2] * 0.45)
        light = canvas.radial(width, height, centre_y=0.42)
        behind = canvas.gradient_map(light, [(0.0, centre), (0.75, base), (1.5, edge)])
        behind = behind + canvas.noise(width, height, seed=41) * 0.006
    old = _rim_rgb(photo)
    rim = canvas.clip((mask * (mask * -1 + 1)) * 4)
    freed = canvas.clip(picture - canvas.flat(picture, old) * mask) / (mask * -1 + 1).clamp(min=0.25, max=1)
    front = canvas.mix(picture, canvas.clip(freed), rim * 0.7)
    return canvas.to_uchar(canvas.mix(front, behind, mask))
