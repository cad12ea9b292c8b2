"""The `local` provider: image processing on this machine; the same bytes for the same photo and settings.

libvips is loaded by child processes only, where all work on pictures is done (ADR 52).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from ....core.domain.costs.call_cost import FREE, CallCost
from ....core.domain.errors import InvalidSettings
from ....core.domain.media import PictureNeeds
from ....core.domain.routing.failure_cause import FailureCause
from ....core.domain.routing.provider_check import ProviderFinding, ProviderFindingCode
from ....core.domain.slots.slot import RouteEntry
from ....core.domain.validation import parse_fields
from ....core.ports.provider import OperationInfo, ProviderInfo, ProviderRequest, ProviderResult, Rejected
from ...imaging.children import TaskEnded, TaskRunner
from ..schemas import settings_schema, unknown_operation
from .effects.people.extra import INSTALL, installed
from .effects.settings import BACKGROUND_ROLE, FRAME_ROLE, BackgroundMode, OutputSettings
from .task import SETTINGS, WORK, decode_answer, encode_request

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
    "enhance": _Operation(title="Natural enhance", settings=SETTINGS["enhance"]),
    "stylize": _Operation(title="Artistic look", settings=SETTINGS["stylize"]),
    "frame": _Operation(title="Frame", settings=SETTINGS["frame"], template_roles=(FRAME_ROLE,), prompts=("caption",)),
    "background": _Operation(title="Background", settings=SETTINGS["background"], template_roles=(BACKGROUND_ROLE,)),
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
    """A Provider whose work is done by `children`, which belong to the caller."""

    def __init__(self, children: TaskRunner) -> None:
        self._children = children

    @property
    def info(self) -> ProviderInfo:
        return _INFO

    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        """See Provider.expected_cost; work on this machine is free."""
        return FREE

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        operation = _OPERATIONS.get(operation_id)
        if operation is None:
            raise unknown_operation(_INFO.id, operation_id)
        parse_fields(operation.settings, settings)

    async def process(self, request: ProviderRequest) -> ProviderResult:
        """The finished picture. Rejected for an unknown operation, unusable settings, photo or template, and where the
        operation needs more memory or time than it may take."""
        operation = _OPERATIONS.get(request.operation_id)
        if operation is None:
            raise Rejected(f"There is no operation {request.operation_id!r} here.", cause=FailureCause.SETTINGS_INVALID)
        try:
            settings = parse_fields(operation.settings, request.settings)
        except InvalidSettings as error:
            raise Rejected(error.detail, cause=FailureCause.SETTINGS_INVALID) from error
        try:
            return decode_answer(await self._children.run(WORK, *encode_request(request, settings)))
        except TaskEnded as error:
            raise Rejected(f"The operation failed on this photo: {error}.") from error

    async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        """The missing extra `people`, where a route entry needs it. Asks no service."""
        if installed() or not any(_needs_people(entry) for entry in used):
            return []
        detail = (
            "the operation `background` cannot tell people from their surroundings and only darkens the edges, because "
            f"the extra `people` is not installed: {INSTALL}"
        )
        return [ProviderFinding(code=ProviderFindingCode.NOT_CONFIGURED, detail=detail)]

    async def close(self) -> None:
        """Do nothing: there are no resources."""


def _needs_people(entry: RouteEntry) -> bool:
    return entry.operation_id == "background" and entry.settings.get("mode") != BackgroundMode.VIGNETTE
