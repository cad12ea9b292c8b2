"""The `openai` provider: photos edited by OpenAI's image models, through the images edit endpoint of its API."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ....core.domain.costs.call_cost import CallCost
from ....core.domain.errors import InvalidSettings
from ....core.domain.field_errors import FieldError, FieldErrorCode
from ....core.domain.media import PictureNeeds
from ....core.domain.outside_text import cut
from ....core.domain.routing.failure_cause import FailureCause
from ....core.domain.routing.provider_check import ProviderFinding, ProviderFindingCode
from ....core.domain.slots.slot import RouteEntry
from ....core.domain.validation import parse_fields, refuse
from ....core.ports.provider import (
    Down,
    OperationInfo,
    ProviderContext,
    ProviderError,
    ProviderInfo,
    ProviderRequest,
    ProviderResult,
    Rejected,
)
from ..catalogue import Catalogue, read_catalogue
from ..downloads import download
from ..schemas import unknown_operation
from ..wire import Asked, RemoteService, diagnosed, parsed
from .access import SERVICE_URL, access_with
from .answers import Models, edited, require_good
from .costs import OpenAIPreset, expected_cost
from .requests import edit, list_models
from .settings import OPTIONAL_SETTINGS, OpenAISettings

PROVIDER_ID = "openai"

_OPERATION = "image_edit"
_NEEDS = PictureNeeds(
    mimes=("image/jpeg", "image/png", "image/webp"),
    # "Less than 50MB" each (OpenAI API reference, "Create image edit").
    max_bytes=49_000_000,
    # The models make no larger picture than this, so more of a photo would only take longer to send.
    max_pixels=3840 * 2160,
)


def _info(models: Catalogue[OpenAIPreset]) -> ProviderInfo:
    return ProviderInfo(
        id=PROVIDER_ID,
        title="OpenAI",
        operations=(
            OperationInfo(
                id=_OPERATION,
                title="Edit by prompt",
                settings_schema=models.schema(OpenAISettings),
                needs=_NEEDS,
                template_roles=("face", "reference", "style"),
                prompts=("prompt",),
            ),
        ),
        needs_key=True,
        models=models.infos,
        prices=models.prices,
    )


class OpenAIProvider:
    """The OpenAI provider: the images edit endpoint, one request per call."""

    def __init__(self, context: ProviderContext) -> None:
        self._models = read_catalogue(context, Path(__file__).with_name("models.json"), preset=OpenAIPreset)
        self._info = _info(self._models)
        self._base_url = context.base_url
        self._service = RemoteService(context, name="OpenAI", url=SERVICE_URL)

    @property
    def info(self) -> ProviderInfo:
        return self._info

    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        try:
            return expected_cost(self._checked(operation_id, settings), models=self._models)
        except InvalidSettings:
            return None

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        self._checked(operation_id, settings)

    async def process(self, request: ProviderRequest) -> ProviderResult:
        """See Provider.process; the remarks name model, size, quality and tokens used."""
        try:
            settings = self._checked(request.operation_id, request.settings)
        except InvalidSettings as error:
            raise Rejected(error.detail, cause=FailureCause.SETTINGS_INVALID) from error
        templates = [picture for _, picture in sorted(request.templates.items())]
        service, until = self._service, request.until
        key = await service.key(until=until)
        asked = Asked(
            model=settings.model,
            secret=key,
            models=self._models,
            expected=expected_cost(settings, models=self._models),
            settings=tuple(name for name in OPTIONAL_SETTINGS if getattr(settings, name) is not None),
        )
        sent = edit(access_with(key, self._base_url), settings, [request.photo, *templates])
        picture, result = edited(await service.ask(sent, until=until, expected=asked.expected), asked)
        if isinstance(picture, str):
            picture = await self._downloaded(picture, result.cost, until)
        return replace(result, data=picture)

    async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        """See Provider.diagnose; requests the list of models, within 10 s. Azure lists no deployments."""
        if access_with("", self._base_url).on_azure:
            return await self._diagnosed_on_azure(used)
        return await diagnosed(self._listed, used, provider_id=PROVIDER_ID, models=self._models)

    async def close(self) -> None:
        """Close the connections."""
        await self._service.close()

    async def _listed(self, until: datetime) -> Collection[str]:
        key = await self._service.key(until=until)
        answer = await self._service.ask(list_models(access_with(key, self._base_url)), until=until)
        require_good(answer, secret=key)
        models = frozenset(model.id for model in parsed(answer, Models, service="OpenAI").data)
        if not models:
            raise Down("OpenAI answered with an empty list of models.")
        return models

    async def _diagnosed_on_azure(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        """Whether the key works; of the deployments nothing is known but that they are not checked."""
        entries = [entry for entry in used if entry.provider_id == PROVIDER_ID]
        key_only = [replace(entry, settings={"model": self._models.default_model}) for entry in entries[:1]]

        async def listed(until: datetime) -> Collection[str]:
            await self._listed(until)
            return (self._models.default_model,)

        found = await diagnosed(listed, key_only, provider_id=PROVIDER_ID, models=self._models)
        if found or not entries:
            return found
        names = sorted({cut(str(entry.settings.get("model", self._models.default_model)), 80) for entry in entries})
        detail = f"The key works. Azure does not tell whether these deployments exist: {', '.join(names)}."
        params = {"model": ", ".join(names)}
        return [ProviderFinding(code=ProviderFindingCode.MODEL_NOT_CHECKED, detail=cut(detail), params=params)]

    async def _downloaded(self, url: str, cost: CallCost | None, until: datetime) -> bytes:
        """The picture at an address that the answer names; it was paid for, also where it cannot be fetched."""
        try:
            return await download(self._service.downloads, url, until=until)
        except ProviderError as failed:
            failed.cost = cost
            raise

    def _checked(self, operation_id: str, settings: Mapping[str, Any]) -> OpenAISettings:
        """The settings, checked together too. InvalidSettings."""
        if operation_id != _OPERATION:
            raise unknown_operation(PROVIDER_ID, operation_id)
        parsed = parse_fields(OpenAISettings, self._models.filled(settings))
        params = {"format": str(parsed.output_format)}
        errors: list[FieldError] = []
        if parsed.background == "transparent" and parsed.output_format == "jpeg":
            errors.append(FieldError("background", FieldErrorCode.BACKGROUND_NOT_SUPPORTED, params))
        if parsed.output_compression is not None and parsed.output_format == "png":
            errors.append(FieldError("output_compression", FieldErrorCode.COMPRESSION_NOT_SUPPORTED, params))
        refuse(errors)
        return parsed
