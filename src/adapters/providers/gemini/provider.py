"""The `gemini` provider: photos edited by Google's image models through the Gemini API."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection, Coroutine, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct

from ....core.domain.costs.call_cost import CallCost
from ....core.domain.errors import InvalidSettings
from ....core.domain.media import Picture, PictureNeeds
from ....core.domain.slots.slot import RouteEntry
from ....core.domain.validation import parse_fields
from ....core.ports.provider import (
    Down,
    OperationInfo,
    ProviderContext,
    ProviderInfo,
    ProviderRequest,
    ProviderResult,
    Rejected,
)
from ....core.services.support.concurrency import BackgroundTasks
from ..schemas import settings_schema, unknown_operation
from ..wire import RemoteService, diagnosed, parsed
from .answers import Models, generated, require_good
from .requests import SERVICE_URL, generate, list_models
from .settings import DEFAULT_MODEL, EditSettings, GeminiPrompt, IdentitySettings, StyleSettings
from .uploads import delete, upload

INLINE_REQUEST_BYTES = 20_000_000
"""Maximum size of a request including its pictures as base64 (Gemini API, "Image understanding": 20 MB)."""

_ENVELOPE_BYTES = 8_192
"""Reserve for the JSON around prompt and pictures in a request."""

_NEEDS = PictureNeeds(
    mimes=("image/jpeg", "image/png", "image/webp", "image/heic", "image/heif"),
    # Fits into a request; only templates can make a request so large that something must be uploaded.
    max_bytes=14_000_000,
    # The models themselves scale down what is larger: more would only take longer to send.
    max_pixels=3072 * 3072,
)
_STYLE_ROLE = "style"
_FACE_ROLE = "face"
_MODEL_PAGES = 10
_CLOSING_TIME = timedelta(seconds=5)

_log = logging.getLogger("photochanger.providers.gemini")


class _Operation(Struct, frozen=True, kw_only=True):
    title: str
    settings: type[EditSettings] | type[StyleSettings] | type[IdentitySettings]
    role: str | None = None


_OPERATIONS: Mapping[str, _Operation] = {
    "image_edit": _Operation(title="Edit by prompt", settings=EditSettings),
    "style_transfer": _Operation(title="Style of a template", settings=StyleSettings, role=_STYLE_ROLE),
    "identity_transfer": _Operation(title="Guest in a template", settings=IdentitySettings, role=_FACE_ROLE),
}

_INFO = ProviderInfo(
    id="gemini",
    title="Google Gemini",
    operations=tuple(
        OperationInfo(
            id=operation_id,
            title=operation.title,
            settings_schema=settings_schema(operation.settings),
            needs=_NEEDS,
            template_roles=() if operation.role is None else (operation.role,),
            prompts=("prompt",),
        )
        for operation_id, operation in _OPERATIONS.items()
    ),
    needs_key=True,
)


class GeminiProvider:
    """The Gemini provider; each call is one request."""

    def __init__(self, context: ProviderContext) -> None:
        self._service = RemoteService(context, name="Gemini", url=SERVICE_URL)
        self._deletions = BackgroundTasks()

    @property
    def info(self) -> ProviderInfo:
        return _INFO

    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        return None

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        operation = _OPERATIONS.get(operation_id)
        if operation is None:
            raise unknown_operation(_INFO.id, operation_id)
        parse_fields(operation.settings, settings)

    async def process(self, request: ProviderRequest) -> ProviderResult:
        """See Provider.process; the remarks name model, finish reason and tokens used.

        What does not fit into the request is uploaded first, and deleted at the service afterwards in any case,
        in the background. The service deletes forgotten files itself after 48 hours.
        """
        settings, pictures = _parse(request)
        service, until = self._service, request.until
        key = await service.key(until=until)
        names = {position: f"pc-{uuid4().hex}" for position in _beyond_inline(settings.prompt, pictures)}
        try:
            uris = {
                position: await upload(service, key, pictures[position], name, until=until)
                for position, name in names.items()
            }
            asked = generate(service.url, key, settings, pictures, uris, until=until)
            return generated(await service.ask(asked, until=until), model=settings.model, secret=key)
        finally:
            for name in names.values():
                self._delete_in_background(delete(service, key, name))

    async def diagnose(self, used: Collection[RouteEntry]) -> list[str]:
        """See Provider.diagnose; requests the list of models, within 10 s."""
        return await diagnosed(self._models, used, provider_id=_INFO.id, default_model=DEFAULT_MODEL)

    async def close(self) -> None:
        """Give deletions that are under way a few seconds, then close the connections."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_TIME.total_seconds()):
                await self._deletions.close()
        await self._deletions.cancel()
        await self._service.close()

    async def _models(self, until: datetime) -> Collection[str]:
        """The names of the models, each with and without `models/`; at most 10 pages."""
        key = await self._service.key(until=until)
        names: set[str] = set()
        page: str | None = None
        for _ in range(_MODEL_PAGES):
            answer = await self._service.ask(list_models(self._service.url, key, page=page), until=until)
            require_good(answer, secret=key)
            models = parsed(answer, Models, service="Gemini")
            names |= {model.name for model in models.models or [] if model.name}
            page = models.next_page_token
            if not page:
                break
        if not names:
            raise Down("Gemini answered with an empty list of models.")
        return names | {name.removeprefix("models/") for name in names}

    def _delete_in_background(self, deletion: Coroutine[Any, Any, str | None]) -> None:
        async def delete() -> None:
            if error := await deletion:
                _log.warning("deleting an uploaded picture at Gemini failed: %s", error)

        self._deletions.start(delete(), name="deletion of a picture at Gemini")


def _parse(request: ProviderRequest) -> tuple[GeminiPrompt, list[Picture]]:
    """The settings, and the pictures in the order in which the model sees them."""
    operation = _OPERATIONS.get(request.operation_id)
    if operation is None:
        raise Rejected(f"Unknown operation {request.operation_id!r}.")
    try:
        settings = parse_fields(operation.settings, request.settings)
    except InvalidSettings as error:
        raise Rejected(error.detail) from error
    if operation.role is None:
        return settings, [request.photo]
    template = request.templates.get(operation.role)
    if template is None:
        raise Rejected(f"{operation.title} needs a template picture {operation.role!r}; the slot has none.")
    return settings, [request.photo, template]


def _beyond_inline(prompt: str, pictures: list[Picture]) -> list[int]:
    """Which pictures must be uploaded so that the rest fits into a request: the largest first."""
    left = INLINE_REQUEST_BYTES - _ENVELOPE_BYTES - len(msgspec.json.encode(prompt))
    sizes = {position: _base64_bytes(len(picture.data)) for position, picture in enumerate(pictures)}
    uploads: list[int] = []
    while sizes and sum(sizes.values()) > left:
        largest = max(sizes, key=lambda position: sizes[position])
        uploads.append(largest)
        del sizes[largest]
    return uploads


def _base64_bytes(size_bytes: int) -> int:
    return -(-size_bytes // 3) * 4
