"""The `local` provider: image processing on this machine; the same bytes for the same photo and settings.

libvips is loaded by the first photo, in a thread: the HTTP process only needs the declarations.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from ....core.domain.errors import InvalidSettings
from ....core.domain.media import Picture, PictureNeeds
from ....core.domain.slots.slot import RouteEntry
from ....core.domain.validation import parse_fields
from ....core.ports.provider import OperationInfo, ProviderInfo, ProviderRequest, ProviderResult, Rejected
from ..schemas import settings_schema, unknown_operation
from .effects.people.extra import INSTALL, installed
from .effects.settings import (
    BACKGROUND_ROLE,
    FRAME_ROLE,
    BackgroundMode,
    BackgroundSettings,
    EnhanceSettings,
    FrameSettings,
    OutputSettings,
    StylizeSettings,
)

_NEEDS = PictureNeeds(
    mimes=("image/jpeg", "image/png", "image/webp"), max_bytes=256 * 1024 * 1024, max_pixels=200_000_000
)


class _Operation(msgspec.Struct, frozen=True, kw_only=True):
    """The declaration of an operation; `processing` has its function."""

    title: str
    settings: type[OutputSettings]
    template_roles: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()


_OPERATIONS: Mapping[str, _Operation] = {
    "enhance": _Operation(title="Natural enhance", settings=EnhanceSettings),
    "stylize": _Operation(title="Artistic look", settings=StylizeSettings),
    "frame": _Operation(title="Frame", settings=FrameSettings, template_roles=(FRAME_ROLE,), prompts=("caption",)),
    "background": _Operation(title="Background", settings=BackgroundSettings, template_roles=(BACKGROUND_ROLE,)),
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
            self._pool, _process, request.operation_id, settings, request.photo, request.templates
        )
        return await work

    async def diagnose(self, used: Collection[RouteEntry]) -> list[str]:
        """The missing extra `people`, where a route entry needs it. Asks no service."""
        if installed() or not any(_needs_people(entry) for entry in used):
            return []
        return [
            "the operation `background` cannot tell people from their surroundings and only darkens the edges, because "
            f"the extra `people` is not installed: {INSTALL}"
        ]

    async def close(self) -> None:
        """Wait for running work and end the threads."""
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)


def _needs_people(entry: RouteEntry) -> bool:
    return entry.operation_id == "background" and entry.settings.get("mode") != BackgroundMode.VIGNETTE


def _process(
    operation_id: str, settings: OutputSettings, photo: Picture, templates: Mapping[str, Picture]
) -> ProviderResult:
    processing = importlib.import_module(".processing", __package__)
    result: ProviderResult = processing.process(operation_id, settings, photo, templates)
    return result
