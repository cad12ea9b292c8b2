"""The `local` provider: picture work on this machine, without a key, the same bytes for the same photo and settings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import msgspec
import pyvips

from ....core.domain.errors import InvalidSettings
from ....core.domain.media import Picture, PictureNeeds
from ....core.domain.slot import RouteEntry
from ....core.domain.validation import parse_fields
from ....core.ports.provider import (
    OperationInfo,
    ProviderInfo,
    ProviderRequest,
    ProviderResult,
    Rejected,
)
from ...imaging.libvips import VipsError, open_shrunk
from ..schemas import settings_schema, unknown_operation
from .effects import (
    backgrounds,
    frames,
    looks,
    tone,
)
from .effects.settings import (
    BackgroundSettings,
    EnhanceSettings,
    FrameSettings,
    OutputFormat,
    OutputSettings,
    StylizeSettings,
)

_NEEDS = PictureNeeds(
    mimes=("image/jpeg", "image/png", "image/webp"), max_bytes=256 * 1024 * 1024, max_pixels=200_000_000
)
_FRAME_ROLE = "frame"
_BACKGROUND_ROLE = "background"
_JPEG_QUALITY = 90
_WEBP_QUALITY = 88

_Settings = TypeVar("_Settings", bound=OutputSettings)
_Templates = Mapping[str, Picture]
_Made = tuple[pyvips.Image, dict[str, Any]]


class _Operation(msgspec.Struct, Generic[_Settings], frozen=True, kw_only=True):
    """An operation: how it presents itself, its settings, and the work, from a photo to a picture and remarks."""

    title: str
    settings: type[_Settings]
    work: Callable[[pyvips.Image, _Settings, _Templates], _Made]
    template_roles: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()


def _enhance(photo: pyvips.Image, settings: EnhanceSettings, templates: _Templates) -> _Made:
    return tone.enhance(photo, settings), {}


def _stylize(photo: pyvips.Image, settings: StylizeSettings, templates: _Templates) -> _Made:
    return looks.stylize(photo, settings), {"look": str(settings.look)}


def _frame(photo: pyvips.Image, settings: FrameSettings, templates: _Templates) -> _Made:
    template = templates.get(_FRAME_ROLE)
    if template is None:
        return frames.draw(photo, settings), {"frame": str(settings.style)}
    overlay = _opened(template, settings.max_side, "The frame picture")
    return frames.overlay(photo, overlay, settings.fit), {"frame": "template"}


def _background(photo: pyvips.Image, settings: BackgroundSettings, templates: _Templates) -> _Made:
    template = templates.get(_BACKGROUND_ROLE)
    backdrop = None if template is None else _without_alpha(_opened(template, settings.max_side, "The background"))
    picture, mode = backgrounds.work(photo, settings, backdrop)
    return picture, {"background": str(mode)}


_OPERATIONS: Mapping[str, _Operation[Any]] = {
    "enhance": _Operation(title="Natural enhance", settings=EnhanceSettings, work=_enhance),
    "stylize": _Operation(title="Artistic look", settings=StylizeSettings, work=_stylize),
    "frame": _Operation(
        title="Frame", settings=FrameSettings, work=_frame, template_roles=(_FRAME_ROLE,), prompts=("caption",)
    ),
    "background": _Operation(
        title="Background", settings=BackgroundSettings, work=_background, template_roles=(_BACKGROUND_ROLE,)
    ),
}

_INFO = ProviderInfo(
    id="local",
    title="On this machine",
    on_this_machine=True,
    operations=tuple(
        OperationInfo(
            id=operation_id,
            title=operation.title,
            settings_schema=settings_schema(operation.settings),
            needs=_NEEDS,
            template_roles=operation.template_roles,
            prompts=operation.prompts,
        )
        for operation_id, operation in _OPERATIONS.items()
    ),
)


class LocalProvider:
    """A Provider with `threads` threads of its own; `close` ends them."""

    def __init__(self, *, threads: int = 2) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="local-provider")

    @property
    def info(self) -> ProviderInfo:
        return _INFO

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        operation = _OPERATIONS.get(operation_id)
        if operation is None:
            raise unknown_operation(_INFO.id, operation_id)
        parse_fields(operation.settings, settings)

    async def process(self, request: ProviderRequest) -> ProviderResult:
        """The finished picture. Rejected for an unknown operation, unusable settings, photo or template."""
        operation = _OPERATIONS.get(request.operation_id)
        if operation is None:
            raise Rejected(f"There is no operation {request.operation_id!r} here.")
        try:
            settings = parse_fields(operation.settings, request.settings)
        except InvalidSettings as error:
            raise Rejected(error.detail) from error
        work = asyncio.get_running_loop().run_in_executor(
            self._pool, _process, operation, settings, request.photo, request.templates
        )
        return await work

    async def diagnose(self, used: Collection[RouteEntry]) -> list[str]:
        """Nothing: it needs no key and asks no service."""
        return []

    async def close(self) -> None:
        """Wait for running work and end the threads."""
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)


def _process(
    operation: _Operation[OutputSettings], settings: OutputSettings, photo: Picture, templates: _Templates
) -> ProviderResult:
    image = _without_alpha(_opened(photo, settings.max_side, "The photo"))
    picture, remarks = operation.work(image, settings, templates)
    longest = max(picture.width, picture.height)
    if longest > settings.max_side:
        # A border makes the picture larger than the photo was.
        picture = picture.copy_memory().resize(settings.max_side / longest, kernel="linear")
    return ProviderResult(_encoded(picture, settings.output), remarks)


def _opened(picture: Picture, max_side: int, name: str) -> pyvips.Image:
    try:
        return open_shrunk(picture, max_side=max_side).copy_memory()
    except (VipsError, KeyError) as error:
        raise Rejected(f"{name} cannot be decoded.") from error


def _without_alpha(image: pyvips.Image) -> pyvips.Image:
    return image.flatten(background=[255.0, 255.0, 255.0]).copy_memory() if image.hasalpha() else image


def _encoded(picture: pyvips.Image, output: OutputFormat) -> bytes:
    match output:
        case OutputFormat.JPEG:
            data = picture.jpegsave_buffer(Q=_JPEG_QUALITY, optimize_coding=True, keep="none")
        case OutputFormat.WEBP:
            data = picture.webpsave_buffer(Q=_WEBP_QUALITY, effort=3, keep="none")
        case OutputFormat.PNG:
            data = picture.pngsave_buffer(compression=4, keep="none")
    return bytes(data)
