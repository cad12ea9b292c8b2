"""The `background` operation: the surroundings of people out of focus, washed with colour, or another picture.

With the extra `people` the people are found and stay as they are. Without it, and where a photo shows no people, an
even backdrop can still be replaced; anything else gets the vignette, the one mode that blurs nothing.
"""

from __future__ import annotations

import pyvips

from . import canvas, keying
from .people.found import find_people
from .settings import BackgroundMode, BackgroundSettings

_SMALL_SIDE = 900
"""The size in pixels at which is made what has nothing sharp in it."""

_GRAIN_SIDE = 512
"""Grain is repeated: of one or two shades, that is not seen."""

_OTHER_BACKDROP = (BackgroundMode.REPLACE, BackgroundMode.COLOUR)


def work(
    photo: pyvips.Image, settings: BackgroundSettings, backdrop: pyvips.Image | None
) -> tuple[pyvips.Image, BackgroundMode]:
    """The photo in the chosen mode, and the mode that was used: `vignette` where nothing tells people from the rest."""
    mode = settings.mode
    front = None if mode is BackgroundMode.VIGNETTE else _front(photo, settings)
    if front is None:
        return _darkened(photo, settings), BackgroundMode.VIGNETTE
    if mode in _OTHER_BACKDROP:
        behind = _drawn(photo, settings.color) if backdrop is None or mode is BackgroundMode.COLOUR else backdrop
        behind = canvas.cover(behind, photo.width, photo.height).cast("uchar")
    else:
        behind = _surroundings(photo, front, settings)
    return _laid_over(photo, front, behind), mode


def _front(photo: pyvips.Image, settings: BackgroundSettings) -> pyvips.Image | None:
    """255 on what stays, 0 on the surroundings, 8 bits in memory; None where that is not known."""
    people = find_people(photo)
    mask = None if people is None else people.mask
    if settings.mode not in _OTHER_BACKDROP or (mask is not None and not keying.is_vivid(photo)):
        return mask
    backdrop = keying.backdrop(photo, settings.tolerance)
    if backdrop is None:
        return mask
    front = (backdrop * -255 + 255.5).cast("uchar").copy_memory()
    if mask is None:
        return front
    if not keying.fills_the_rest(backdrop, mask / 255):
        return mask
    # A shirt of the screen's colour is not the screen.
    return (front > mask).ifthenelse(front, mask).copy_memory()


def _laid_over(photo: pyvips.Image, front: pyvips.Image, behind: pyvips.Image) -> pyvips.Image:
    """What stands in front, over other surroundings: hair and rims are freed from the old ones' colour.

    The colours on both sides of a rim are estimated from their neighbourhoods (blur fusion, Forte 2021), at a smaller
    size; only rims are calculated with.
    """
    small, near = _small(photo, front)
    sigma = 3 * canvas.unit(small)
    means = [_mean_where(small, near, sigma), _mean_where(small, near * -1 + 1, sigma)]
    inner, outer = (
        canvas.resize_to(canvas.to_uchar(mean).copy_memory(), photo.width, photo.height, kernel="linear")
        for mean in means
    )
    share = front / 255
    rest = share * -1 + 1
    own = (inner + (photo - inner * share - outer * rest) * share).clamp(min=0, max=255)
    rim = (own * share + behind * rest + 0.5).cast("uchar")
    plain = (front == 255).ifthenelse(photo, behind)
    is_rim = (front > 0) & (front < 255)
    return canvas.in_tiles(is_rim.ifthenelse(rim, plain)).copy(interpretation="srgb")


def _small(photo: pyvips.Image, front: pyvips.Image) -> tuple[pyvips.Image, pyvips.Image]:
    """A photo and what stands in front at a smaller size: floats from 0 to 1, in memory."""
    both = (canvas.at_most(photo, _SMALL_SIDE), canvas.at_most(front, _SMALL_SIDE))
    picture, share = (canvas.to_float(image).copy_memory() for image in both)
    return picture, share


def _mean_where(picture: pyvips.Image, weight: pyvips.Image, sigma: float) -> pyvips.Image:
    """The blurred colours of where the weight is, unmixed with those of where it is not."""
    sums = canvas.blur((picture * weight).bandjoin(weight).copy_memory(), sigma).copy_memory()
    return sums.extract_band(0, n=3) / (sums[3] + 1e-4)


def _surroundings(photo: pyvips.Image, front: pyvips.Image, settings: BackgroundSettings) -> pyvips.Image:
    """The surroundings out of focus, and washed in the mode `studio`: 8-bit sRGB at the photo's size, in memory."""
    behind = _out_of_focus(*_small(photo, front), settings.strength / 100)
    if settings.mode is BackgroundMode.STUDIO:
        behind = _washed(behind.copy_memory(), settings)
    behind = canvas.to_uchar(behind).copy_memory()
    return canvas.resize_to(behind, photo.width, photo.height, kernel="linear").copy_memory()


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
    width, height = canvas.size_at_most(photo, _SMALL_SIDE)
    light = canvas.radial(width, height, centre_y=0.42)
    drawn = canvas.to_uchar(canvas.gradient_map(light, [(0.0, centre), (0.75, base), (1.5, edge)])).copy_memory()
    drawn = canvas.resize_to(drawn, photo.width, photo.height, kernel="linear")
    grain = (canvas.noise(_GRAIN_SIDE, _GRAIN_SIDE, seed=41) * (0.006 * 255)).rint().cast("short").copy_memory()
    across, down = photo.width // _GRAIN_SIDE + 1, photo.height // _GRAIN_SIDE + 1
    grained = drawn + grain.replicate(across, down).crop(0, 0, photo.width, photo.height)
    return grained.cast("uchar").copy(interpretation="srgb")


def _darkened(photo: pyvips.Image, settings: BackgroundSettings) -> pyvips.Image:
    """Edges towards a dark shade of the colour, never so far that a face there could not be seen."""
    picture = canvas.to_float(photo)
    tone = canvas.smoothstep(canvas.radial(photo.width, photo.height, centre_y=0.48), 0.55, 1.5)
    red, green, blue = canvas.rgb(settings.color)
    edge = canvas.flat(picture, (red * 0.22, green * 0.22, blue * 0.22))
    return canvas.to_uchar(canvas.mix(picture, edge, tone * (settings.strength / 100 * 0.8)))
