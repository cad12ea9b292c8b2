"""Effects on photos with transparency. The effects themselves know only opaque images."""

from __future__ import annotations

from collections.abc import Callable

import pyvips

from . import canvas

_Effect = Callable[[pyvips.Image], pyvips.Image]

_OPAQUE = 255.0


def without(image: pyvips.Image) -> pyvips.Image:
    """An image on white, in memory; an opaque one as it is."""
    return _on(image, _OPAQUE) if image.hasalpha() else image


def kept(photo: pyvips.Image, effect: _Effect) -> pyvips.Image:
    """What an effect makes of a photo, as transparent as the photo.

    The effect sees the photo on white. What it makes of that white is taken out again, so that edges have no rim.
    """
    if not photo.hasalpha():
        return effect(photo)
    alpha = photo[photo.bands - 1]
    made = canvas.resize_to(effect(_on(photo, _OPAQUE)), photo.width, photo.height)
    share = alpha / _OPAQUE
    return _joined((made - (1 - share) * _OPAQUE) / share, made, alpha)


def shone_through(photo: pyvips.Image, effect: _Effect) -> pyvips.Image:
    """What an effect makes that adds to a photo or covers it, such as a border.

    The picture is transparent where a white and a black ground behind the photo can be seen, as much as they differ.
    """
    if not photo.hasalpha():
        return effect(photo)
    white, black = (effect(_on(photo, ground)).copy_memory() for ground in (_OPAQUE, 0.0))
    alpha = ((white - black).bandmean() * -1 + _OPAQUE).cast("uchar")
    return _joined(black / (alpha / _OPAQUE), black, alpha)


def resized(image: pyvips.Image, scale: float) -> pyvips.Image:
    """An image made smaller; what is transparent has no part in the colours."""
    if not image.hasalpha():
        return image.resize(scale, kernel="linear")
    return image.premultiply().resize(scale, kernel="linear").unpremultiply().cast("uchar")


def _on(image: pyvips.Image, ground: float) -> pyvips.Image:
    return image.flatten(background=[ground] * 3).copy_memory()


def _joined(colours: pyvips.Image, instead: pyvips.Image, alpha: pyvips.Image) -> pyvips.Image:
    """Colours with their transparency; where nothing can be seen, those of `instead`."""
    seen = (alpha > 0).ifthenelse(colours, instead)
    seen = (seen < 0).ifthenelse(0, seen)
    seen = (seen > _OPAQUE).ifthenelse(_OPAQUE, seen)
    return seen.cast("uchar").bandjoin(alpha.cast("uchar")).copy(interpretation="srgb").copy_memory()
