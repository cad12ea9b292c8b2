"""The `openai` provider: photos edited by OpenAI's image models, through the images edit endpoint of its own SDK.

The SDK is loaded at the first call: requests are in `client`, the classification of answers in `errors`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ....core.domain.errors import InvalidSettings
from ....core.domain.field_errors import FieldError, FieldErrorCode
from ....core.domain.media import PictureNeeds
from ....core.domain.slots.slot import RouteEntry
from ....core.domain.validation import parse_fields, refuse
from ....core.ports.provider import (
    OperationInfo,
    ProviderContext,
    ProviderInfo,
    ProviderRequest,
    ProviderResult,
    Rejected,
)
from ..schemas import settings_schema, unknown_operation
from ..sdk import Connection, diagnosed
from .settings import DEFAULT_MODEL, OpenAISettings

if TYPE_CHECKING:
    from .client import OpenAIApi


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
        self._connection: Connection[OpenAIApi] = Connection(context, module=".openai.client", service="OpenAI")

    @property
    def info(self) -> ProviderInfo:
        return _INFO

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        _checked(operation_id, settings)

    async def process(self, request: ProviderRequest) -> ProviderResult:
        """See Provider.process; the remarks name model, size, quality and tokens used."""
        try:
            settings = _checked(request.operation_id, request.settings)
        except InvalidSettings as error:
            raise Rejected(error.detail) from error
        templates = [picture for _, picture in sorted(request.templates.items())]
        api = await self._connection.api(until=request.until)
        return await api.edit(settings, [request.photo, *templates], until=request.until)

    async def diagnose(self, used: Collection[RouteEntry]) -> list[str]:
        """See Provider.diagnose; requests the list of models, within 10 s."""

        async def models(until: datetime) -> Collection[str]:
            api = await self._connection.api(until=until)
            return await api.models(until=until)

        return await diagnosed(models, used, provider_id=_INFO.id, default_model=DEFAULT_MODEL)

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()


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
