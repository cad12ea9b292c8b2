"""The work of the `local` provider, from a photo to a picture. Loads libvips."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyvips

from ....core.domain.errors import PhotoChangerError
from ....core.domain.media import Picture
from ....core.ports.provider import ProviderResult, Rejected
from ...imaging.libvips import VipsError, open_shrunk
from .effects import backgrounds, frames, looks, tone
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
    image = _without_alpha(_opened(photo, settings.max_side, "The photo"))
    picture, remarks = _WORK[operation_id](image, settings, templates)
    longest = max(picture.width, picture.height)
    if longest > settings.max_side:
        # A border makes the picture larger than the photo was.
        picture = picture.copy_memory().resize(settings.max_side / longest, kernel="linear")
    return ProviderResult(_encoded(picture, settings.output), remarks)


def _opened(picture: Picture, max_side: int, name: str) -> pyvips.Image:
    try:
        return open_shrunk(picture, max_side=max_side).copy_memory()
    except (VipsError, KeyError, PhotoChangerError) as error:
        raise Rejected(f"{name} cannot be decoded.") from error


def _without_alpha(image: pyvips.Image) -> pyvips.Image:
    return image.flatten(background=[255.0, 255.0, 255.0]).copy_memory() if image.hasalpha() else image


def _encoded(picture: pyvips.Image, output: OutputFormat) -> bytes:
    match output:
        case OutputFormat.JPEG:
            data = picture.jpegsave_buffer(Q=_JPEG_QUALITY, keep="none")
        case OutputFormat.WEBP:
            data = picture.webpsave_buffer(Q=_WEBP_QUALITY, effort=3, keep="none")
        case OutputFormat.PNG:
            data = picture.pngsave_buffer(compression=4, keep="none")
    return bytes(data)


def _enhance(photo: pyvips.Image, settings: EnhanceSettings, templates: _Templates) -> _Made:
    return tone.enhance(photo, settings), {}


def _stylize(photo: pyvips.Image, settings: StylizeSettings, templates: _Templates) -> _Made:
    return looks.stylize(photo, settings), {"look": str(settings.look)}


def _frame(photo: pyvips.Image, settings: FrameSettings, templates: _Templates) -> _Made:
    template = templates.get(FRAME_ROLE)
    if template is None:
        return frames.draw(photo, settings), {"frame": str(settings.style)}
    overlay = _opened(template, settings.max_side, "The frame picture")
    return frames.overlay(photo, overlay, settings.fit), {"frame": "template"}


def _background(photo: pyvips.Image, settings: BackgroundSettings, templates: _Templates) -> _Made:
    template = templates.get(BACKGROUND_ROLE)
    backdrop = None if template is None else _without_alpha(_opened(template, settings.max_side, "The background"))
    picture, mode = backgrounds.work(photo, settings, backdrop)
    return picture, {"background": str(mode)}


_WORK: Mapping[str, Callable[[pyvips.Image, Any, _Templates], _Made]] = {
    "enhance": _enhance,
    "stylize": _stylize,
    "frame": _frame,
    "background": _background,
}
