"""The `background` operation: the surroundings of people out of focus, washed with colour, or another picture.

With the extra `people` the people are found and stay as they are. Without it, and where a photo shows no people, an
even backdrop can still be replaced; anything else gets the vignette, the one mode that blurs nothing.
"""

from __future__ import annotations

import pyvips

from . import canvas, keying
from .people.found import find_people
from .settings import BackgroundMode, BackgroundSettings

_OTHER_BACKDROP = (BackgroundMode.REPLACE, BackgroundMode.COLOUR)


def work(
    photo: pyvips.Image, settings: BackgroundSettings, backdrop: pyvips.Image | None
) -> tuple[pyvips.Image, BackgroundMode]:
    """The photo in the chosen mode, and the mode that was used: `vignette` where nothing tells people from the rest."""
    mode = settings.mode
    front = None if mode is BackgroundMode.VIGNETTE else _front(photo, settings)
    if front is None:
        return _darkened(photo, settings), BackgroundMode.VIGNETTE
    picture = canvas.to_float(photo)
    if mode in _OTHER_BACKDROP:
        behind = _drawn(photo, settings.color) if backdrop is None or mode is BackgroundMode.COLOUR else backdrop
        behind = canvas.to_float(canvas.cover(behind, photo.width, photo.height).cast("uchar"))
    else:
        behind = _out_of_focus(picture, front, settings.strength / 100)
        if mode is BackgroundMode.STUDIO:
            behind = _washed(behind, settings)
    return canvas.to_uchar(_laid_over(picture, front, behind)), mode


def _front(photo: pyvips.Image, settings: BackgroundSettings) -> pyvips.Image | None:
    """1 on what stays, 0 on the surroundings, in memory; None where that is not known."""
    people = find_people(photo)
    mask = None if people is None else people.mask
    if settings.mode not in _OTHER_BACKDROP:
        return mask
    backdrop = keying.backdrop(photo, settings.tolerance)
    if backdrop is None:
        return mask
    front = (backdrop * -1 + 1).copy_memory()
    if mask is None:
        return front
    if not keying.is_screen(photo, backdrop, mask):
        return mask
    # A shirt of the screen's colour is not the screen.
    return (front > mask).ifthenelse(front, mask).copy_memory()


def _laid_over(picture: pyvips.Image, front: pyvips.Image, behind: pyvips.Image) -> pyvips.Image:
    """What stands in front, over other surroundings: hair and rims are freed from the old ones' colour.

    The colours on both sides of a rim are estimated from their neighbourhoods (blur fusion, Forte 2021).
    """
    sigma = 3 * canvas.unit(picture)
    rest = front * -1 + 1
    inner, outer = _mean_where(picture, front, sigma), _mean_where(picture, rest, sigma)
    own = canvas.clip(inner + (picture - inner * front - outer * rest) * front)
    return own * front + behind * rest


def _mean_where(picture: pyvips.Image, weight: pyvips.Image, sigma: float) -> pyvips.Image:
    """The blurred colours of where the weight is, unmixed with those of where it is not."""
    sums = canvas.blur((picture * weight).bandjoin(weight), sigma)
    return sums.extract_band(0, n=3) / (sums[3] + 1e-4)


def _out_of_focus(picture: pyvips.Image, front: pyvips.Image, strength: float) -> pyvips.Image:
    """The surroundings through a wide lens: blurred in linear light, so that lamps bloom; without the people."""
    rest = front * -1 + 1
    bloom = picture * picture * (canvas.smoothstep(canvas.luma(picture), 0.75, 1.0) * 0.5 + 1) * rest
    radius = (6 + 22 * strength) * canvas.unit(picture)
    sums = canvas.disc_blur(bloom.bandjoin(rest), radius)
    # Where no surroundings are near, as deep inside a large figure, their mean stands in: it is not seen.
    return ((sums.extract_band(0, n=3) + 1e-4 * 0.2) / (sums[3] + 1e-4)).clamp(min=0, max=1) ** 0.5


def _washed(picture: pyvips.Image, settings: BackgroundSettings) -> pyvips.Image:
    """Lit like a studio backdrop in the colour: its own light and dark remain, its colours give way."""
    strength = settings.strength / 100
    base = canvas.rgb(settings.color)
    dark: canvas.RGB = (base[0] * 0.12, base[1] * 0.12, base[2] * 0.14)
    bright: canvas.RGB = (base[0] * 0.5 + 0.5, base[1] * 0.5 + 0.5, base[2] * 0.5 + 0.5)
    washed = canvas.gradient_map(canvas.luma(picture), [(0.0, dark), (0.5, base), (1.0, bright)])
    lit = canvas.vignette(washed, 0.5 * strength)
    return canvas.mix(picture, lit, 0.25 + 0.65 * strength)


def _drawn(photo: pyvips.Image, colour: str) -> pyvips.Image:
    """A studio backdrop in the colour, lit in the middle; fine grain keeps its shades from showing steps."""
    base = canvas.rgb(colour)
    centre: canvas.RGB = (base[0] * 0.6 + 0.4, base[1] * 0.6 + 0.4, base[2] * 0.6 + 0.4)
    edge: canvas.RGB = (base[0] * 0.45, base[1] * 0.45, base[2] * 0.45)
    light = canvas.radial(photo.width, photo.height, centre_y=0.42)
    drawn = canvas.gradient_map(light, [(0.0, centre), (0.75, base), (1.5, edge)])
    return canvas.to_uchar(drawn + canvas.noise(photo.width, photo.height, seed=41) * 0.006)


def _darkened(photo: pyvips.Image, settings: BackgroundSettings) -> pyvips.Image:
    """Edges towards a dark shade of the colour, never so far that a face there could not be seen."""
    picture = canvas.to_float(photo)
    tone = canvas.smoothstep(canvas.radial(photo.width, photo.height, centre_y=0.48), 0.55, 1.5)
    red, green, blue = canvas.rgb(settings.color)
    edge = canvas.flat(picture, (red * 0.22, green * 0.22, blue * 0.22))
    return canvas.to_uchar(canvas.mix(picture, edge, tone * (settings.strength / 100 * 0.8)))
