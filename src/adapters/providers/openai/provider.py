"""The `openai` provider: photos edited by OpenAI's image models, through the images edit endpoint of its API."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from ....core.domain.costs.call_cost import CallCost
from ....core.domain.errors import InvalidSettings
from ....core.domain.field_errors import FieldError, FieldErrorCode
from ....core.domain.media import PictureNeeds
from ....core.domain.slots.slot import RouteEntry
from ....core.domain.validation import parse_fields, refuse
from ....core.ports.provider import (
    Down,
    OperationInfo,
    ProviderContext,
    ProviderInfo,
    ProviderRequest,
    ProviderResult,
    Rejected,
)
from ..downloads import download
from ..schemas import settings_schema, unknown_operation
from ..wire import RemoteService, diagnosed, parsed
from .answers import Models, edited, require_good
from .requests import SERVICE_URL, edit, list_models
from .settings import DEFAULT_MODEL, OpenAISettings

_OPERATION = "image_edit"
_NEEDS = PictureNeeds(
    mimes=("image/jpeg", "image/png", "image/webp"),
    # "Less than 50MB" each (OpenAI API reference, "Create image edit").
    max_bytes=49_000_000,
    # The models make no larger picture than this, so more of a photo would only take longer to send.
    max_pixels=3840 * 2160,
)


_INFO = ProviderInfo(
    id="openai",
    title="OpenAI",
    operations=(
        OperationInfo(
            id=_OPERATION,
            title="Edit by prompt",
            settings_schema=settings_schema(OpenAISettings),
            needs=_NEEDS,
            template_roles=("face", "reference", "style"),
            prompts=("prompt",),
        ),
    ),
    needs_key=True,
)


class OpenAIProvider:
    """The OpenAI provider: the images edit endpoint, one request per call."""

    def __init__(self, context: ProviderContext) -> None:
        self._service = RemoteService(context, name="OpenAI", url=SERVICE_URL)

    @property
    def info(self) -> ProviderInfo:
        return _INFO

    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        return None

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        _checked(operation_id, settings)

    async def process(self, request: ProviderRequest) -> ProviderResult:
        """See Provider.process; the remarks name model, size, quality and tokens used."""
        try:
            settings = _checked(request.operation_id, request.settings)
        except InvalidSettings as error:
            raise Rejected(error.detail) from error
        templates = [picture for _, picture in sorted(request.templates.items())]
        service, until = self._service, request.until
        key = await service.key(until=until)
        answer = await service.ask(edit(service.url, key, settings, [request.photo, *templates]), until=until)
        picture, remarks = edited(answer, model=settings.model, secret=key)
        if isinstance(picture, str):
            picture = await download(service.downloads, picture, until=until)
        return ProviderResult(picture, remarks)

    async def diagnose(self, used: Collection[RouteEntry]) -> list[str]:
        """See Provider.diagnose; requests the list of models, within 10 s."""
        return await diagnosed(self._models, used, provider_id=_INFO.id, default_model=DEFAULT_MODEL)

    async def close(self) -> None:
        """Close the connections."""
        await self._service.close()

    async def _models(self, until: datetime) -> Collection[str]:
        key = await self._service.key(until=until)
        answer = await self._service.ask(list_models(self._service.url, key), until=until)
        require_good(answer, secret=key)
        models = frozenset(model.id for model in parsed(answer, Models, service="OpenAI").data)
        if not models:
            raise Down("OpenAI answered with an empty list of models.")
        return models


def _checked(operation_id: str, settings: Mapping[str, Any]) -> OpenAISettings:
    """The settings, checked together too. InvalidSettings."""
    if operation_id != _OPERATION:
        raise unknown_operation(_INFO.id, operation_id)
    parsed = parse_fields(OpenAISettings, settings)
    errors: list[FieldError] = []
    if parsed.background == "transparent" and parsed.output_format == "jpeg":
        errors.append(
            FieldError("background", FieldErrorCode.BACKGROUND_NOT_SUPPORTED, {"format": parsed.output_format})
        )
    if parsed.output_compression is not None and parsed.output_format == "png":
        errors.append(
            FieldError("output_compression", FieldErrorCode.COMPRESSION_NOT_SUPPORTED, {"format": parsed.output_format})
        )
    refuse(errors)
    return parsed
