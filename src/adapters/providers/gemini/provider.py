"""The `gemini` provider: photos edited by Google's image models through the Gemini API, with Google's own SDK.

The SDK is loaded at the first call: requests are in `client`, the classification of answers in `errors`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection, Coroutine, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
from msgspec import Struct

from ....core.domain.errors import InvalidSettings
from ....core.domain.media import Picture, PictureNeeds
from ....core.domain.slots.slot import RouteEntry
from ....core.domain.validation import parse_fields
from ....core.ports.provider import (
    OperationInfo,
    ProviderContext,
    ProviderInfo,
    ProviderRequest,
    ProviderResult,
    Rejected,
)
from ....core.services.support.concurrency import BackgroundTasks
from ..schemas import settings_schema, unknown_operation
from ..sdk import Connection, diagnosed
from .settings import DEFAULT_MODEL, EditSettings, IdentitySettings, StyleSettings

if TYPE_CHECKING:
    from .client import GeminiApi


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
        self._connection: Connection[GeminiApi] = Connection(context, module=".gemini.client", service="Gemini")
        self._deletions = BackgroundTasks()

    @property
    def info(self) -> ProviderInfo:
        return _INFO

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
        api = await self._connection.api(until=request.until)
        to_upload = _beyond_inline(settings.prompt, pictures)
        names = {position: f"pc-{uuid4().hex}" for position in to_upload}
        try:
            uris = {
                position: await api.upload(pictures[position], name, until=request.until)
                for position, name in names.items()
            }
            return await api.generate(settings, pictures, uris, until=request.until)
        finally:
            for name in names.values():
                self._delete_in_background(api.delete(name))

    async def diagnose(self, used: Collection[RouteEntry]) -> list[str]:
        """See Provider.diagnose; requests the list of models, within 10 s."""

        async def models(until: datetime) -> Collection[str]:
            api = await self._connection.api(until=until)
            return await api.models(until=until)

        return await diagnosed(models, used, provider_id=_INFO.id, default_model=DEFAULT_MODEL)

    async def close(self) -> None:
        """Give deletions that are under way a few seconds, then close the connections."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_TIME.total_seconds()):
                await self._deletions.close()
        await self._deletions.cancel()
        await self._connection.close()

    def _delete_in_background(self, deletion: Coroutine[Any, Any, str | None]) -> None:
        async def delete() -> None:
            if error := await deletion:
                _log.warning("deleting an uploaded picture at Gemini failed: %s", error)

        self._deletions.start(delete(), name="deletion of a picture at Gemini")


def _parse(request: ProviderRequest) -> tuple[EditSettings | StyleSettings | IdentitySettings, list[Picture]]:
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
