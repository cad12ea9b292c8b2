"""The work of the `local` provider, from a photo to a picture. Loads libvips."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyvips

from ....core.domain.errors import PhotoChangerError
from ....core.domain.media import Picture
from ....core.ports.provider import ProviderResult, Rejected
from ...imaging.libvips import VipsError, open_shrunk
from .effects import backgrounds, frames, looks, tone, transparency
from .effects.settings import (
    BACKGROUND_ROLE,
    FRAME_ROLE,
    BackgroundSettings,
    EnhanceSettings,
    FrameSettings,
    OutputFormat,
    OutputSettings,
    StylizeSettings,
)

_JPEG_QUALITY = 90
_WEBP_QUALITY = 88

_Templates = Mapping[str, Picture]
_Made = tuple[pyvips.Image, dict[str, Any]]


def process(operation_id: str, settings: OutputSettings, photo: Picture, templates: _Templates) -> ProviderResult:
    """Run an operation. Blocks. Rejected for a photo or template that cannot be decoded."""
    image = _opened(photo, settings.max_side, "The photo")
    picture, remarks = _WORK[operation_id](image, settings, templates)
    longest = max(picture.width, picture.height)
    if longest > settings.max_side:
        # A border makes the picture larger than the photo was.
        picture = transparency.resized(picture.copy_memory(), settings.max_side / longest)
    return ProviderResult(_encoded(picture, settings.output), remarks)


def _opened(picture: Picture, max_side: int, name: str) -> pyvips.Image:
    try:
        return open_shrunk(picture, max_side=max_side).copy_memory()
    except (VipsError, KeyError, PhotoChangerError) as error:
        raise Rejected(f"{name} cannot be decoded.") from error


def _encoded(picture: pyvips.Image, output: OutputFormat) -> bytes:
    match OutputFormat.PNG if output is OutputFormat.JPEG and picture.hasalpha() else output:
        case OutputFormat.JPEG:
            data = picture.jpegsave_buffer(Q=_JPEG_QUALITY, keep="none")
        case OutputFormat.WEBP:
            data = picture.webpsave_buffer(Q=_WEBP_QUALITY, effort=3, keep="none")
        case OutputFormat.PNG:
            data = picture.pngsave_buffer(compression=4, keep="none")
    return bytes(data)


def _enhance(photo: pyvips.Image, settings: EnhanceSettings, templates: _Templates) -> _Made:
    return transparency.kept(photo, lambda image: tone.enhance(image, settings)), {}


def _stylize(photo: pyvips.Image, settings: StylizeSettings, templates: _Templates) -> _Made:
    return transparency.kept(photo, lambda image: looks.stylize(image, settings)), {"look": str(settings.look)}


def _frame(photo: pyvips.Image, settings: FrameSettings, templates: _Templates) -> _Made:
    template = templates.get(FRAME_ROLE)
    if template is None:
        picture = transparency.shone_through(photo, lambda image: frames.draw(image, settings))
        return picture, {"frame": str(settings.style)}
    overlay = _opened(template, settings.max_side, "The frame picture")
    return frames.overlay(photo, overlay, settings.fit), {"frame": "template"}


def _background(photo: pyvips.Image, settings: BackgroundSettings, templates: _Templates) -> _Made:
    template = templates.get(BACKGROUND_ROLE)
    backdrop = None
    if template is not None:
        backdrop = transparency.without(_opened(template, settings.max_side, "The background"))
    picture, mode = backgrounds.work(transparency.without(photo), settings, backdrop)
    return picture, {"background": str(mode)}


_WORK: Mapping[str, Callable[[pyvips.Image, Any, _Templates], _Made]] = {
    "enhance": _enhance,
    "stylize": _stylize,
    "frame": _frame,
    "background": _background,
}
