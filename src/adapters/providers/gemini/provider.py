"""The `gemini` provider: photos edited by Google's image models through the Gemini API."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct

from ....core.domain.costs.call_cost import CallCost
from ....core.domain.errors import InvalidSettings
from ....core.domain.media import Picture, PictureNeeds
from ....core.domain.routing.failure_cause import FailureCause
from ....core.domain.routing.provider_check import ProviderFinding
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
from ...http_client.messages import HttpRequest
from ..catalogue import Catalogue, read_catalogue
from ..schemas import unknown_operation
from ..wire import Asked, JsonAnswer, RemoteService, decoded, diagnosed, parsed
from .access import SERVICE_URL, Access, service_account, with_api_key, with_token
from .answers import Models, generated, require_good
from .costs import GeminiPreset, expected_cost
from .requests import generate, get_model, list_models
from .settings import OPTIONAL_SETTINGS, EditSettings, GeminiPrompt, IdentitySettings, StyleSettings
from .tokens import AccountTokens
from .uploads import delete, upload

PROVIDER_ID = "gemini"

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


def _info(models: Catalogue[GeminiPreset]) -> ProviderInfo:
    return ProviderInfo(
        id=PROVIDER_ID,
        title="Google Gemini",
        operations=tuple(
            OperationInfo(
                id=operation_id,
                title=operation.title,
                settings_schema=models.schema(operation.settings),
                needs=_NEEDS,
                template_roles=() if operation.role is None else (operation.role,),
                prompts=("prompt",),
            )
            for operation_id, operation in _OPERATIONS.items()
        ),
        needs_key=True,
        models=models.infos,
        prices=models.prices,
    )


class GeminiProvider:
    """The Gemini provider; each call is one request."""

    def __init__(self, context: ProviderContext) -> None:
        self._models = read_catalogue(context, Path(__file__).with_name("models.json"), preset=GeminiPreset)
        self._info = _info(self._models)
        self._base_url = context.base_url
        self._service = RemoteService(context, name="Gemini", url=SERVICE_URL)
        self._tokens = AccountTokens(self._service)
        self._deletions = BackgroundTasks()

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
        """See Provider.process; the remarks name model, finish reason and tokens used.

        What does not fit into the request is uploaded first, and deleted at the service afterwards in any case,
        in the background. The service deletes forgotten files itself after 48 hours.
        """
        settings, pictures = self._parse(request)
        until = request.until
        key = await self._service.key(until=until)
        access = await self._access(key, until=until)
        beyond = _beyond_inline(settings.prompt, pictures)
        if access.on_vertex and beyond:
            raise Rejected("Photo and template are together too large for Vertex AI (20 MB). Use a smaller template.")
        if settings.person_generation is not None and not access.on_vertex:
            raise Rejected(
                "The setting 'person_generation' needs Vertex AI. Remove it from the slot.",
                cause=FailureCause.SETTINGS_INVALID,
            )
        names = {position: f"pc-{uuid4().hex}" for position in beyond}
        try:
            uris = {
                position: await upload(self._service, key, pictures[position], name, until=until)
                for position, name in names.items()
            }
            expected = expected_cost(settings, models=self._models)
            answer, access = await self._call(
                key, lambda by: generate(by, settings, pictures, uris, until=until), until=until, expected=expected
            )
            return generated(answer, self._asked(settings, access, expected))
        finally:
            for name in names.values():
                self._delete_in_background(delete(self._service, key, name))

    async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        """See Provider.diagnose; requests the models, within 10 s."""
        names = {str(entry.settings.get("model", self._models.default_model)) for entry in used}

        async def known(until: datetime) -> Collection[str]:
            key = await self._service.key(until=until)
            access = await self._access(key, until=until)
            return await (self._known_on_vertex(key, names, until) if access.on_vertex else self._listed(key, until))

        return await diagnosed(known, used, provider_id=PROVIDER_ID, models=self._models)

    async def close(self) -> None:
        """Give deletions that are under way a few seconds, then close the connections."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_TIME.total_seconds()):
                await self._deletions.close()
        await self._deletions.cancel()
        await self._service.close()

    def _checked(self, operation_id: str, settings: Mapping[str, Any]) -> GeminiPrompt:
        operation = _OPERATIONS.get(operation_id)
        if operation is None:
            raise unknown_operation(PROVIDER_ID, operation_id)
        return parse_fields(operation.settings, self._models.filled(settings))

    def _parse(self, request: ProviderRequest) -> tuple[GeminiPrompt, list[Picture]]:
        """The settings, and the pictures in the order in which the model sees them."""
        try:
            settings = self._checked(request.operation_id, request.settings)
        except InvalidSettings as error:
            raise Rejected(error.detail, cause=FailureCause.SETTINGS_INVALID) from error
        operation = _OPERATIONS[request.operation_id]
        if operation.role is None:
            return settings, [request.photo]
        template = request.templates.get(operation.role)
        if template is None:
            raise Rejected(
                f"{operation.title} needs a template picture {operation.role!r}; the slot has none.",
                cause=FailureCause.TEMPLATE_MISSING,
            )
        return settings, [request.photo, template]

    def _asked(self, settings: GeminiPrompt, access: Access, expected: CallCost | None) -> Asked:
        return Asked(
            model=settings.model,
            secret=access.secret,
            models=self._models,
            expected=expected,
            settings=tuple(name for name in OPTIONAL_SETTINGS if getattr(settings, name) is not None),
            seed=settings.seed,
        )

    async def _access(self, key: str, *, until: datetime, refused: str | None = None) -> Access:
        """The access with this key; `refused` is a token that the service no longer accepts. Raises ProviderError."""
        account = service_account(key)
        if account is None:
            return with_api_key(key, self._base_url)
        token = await self._tokens.token(account, until=until, refused=refused)
        return with_token(token, account, self._base_url)

    async def _call(
        self, key: str, make: Callable[[Access], HttpRequest], *, until: datetime, expected: CallCost | None = None
    ) -> tuple[JsonAnswer, Access]:
        """Send a request; once more with a new token where the service no longer accepts the kept one."""
        access = await self._access(key, until=until)
        answer = await self._service.ask(make(access), until=until, expected=expected)
        if answer.status == 401 and access.renewable:
            access = await self._access(key, until=until, refused=access.secret)
            answer = await self._service.ask(make(access), until=until, expected=expected)
        return answer, access

    async def _listed(self, key: str, until: datetime) -> Collection[str]:
        """The names of the models, each with and without `models/`; at most 10 pages."""
        names: set[str] = set()
        page: str | None = None
        for _ in range(_MODEL_PAGES):
            answer, access = await self._call(key, partial(list_models, page=page), until=until)
            require_good(answer, secret=access.secret)
            models = parsed(answer, Models, service="Gemini")
            names |= {model.name for model in models.models or [] if model.name}
            page = models.next_page_token
            if not page:
                break
        if not names:
            raise Down("Gemini answered with an empty list of models.")
        return names | {name.removeprefix("models/") for name in names}

    async def _known_on_vertex(self, key: str, names: Collection[str], until: datetime) -> Collection[str]:
        """Those of these models that Vertex AI has; at least the default one is asked for, which checks the key."""
        known: set[str] = set()
        for name in sorted(names or {self._models.default_model}):
            answer, access = await self._call(key, partial(get_model, model=name), until=until)
            if answer.status != 404 or decoded(answer) is None:
                require_good(answer, secret=access.secret)
                known.add(name)
        return known

    def _delete_in_background(self, deletion: Coroutine[Any, Any, str | None]) -> None:
        async def delete() -> None:
            if error := await deletion:
                _log.warning("deleting an uploaded picture at Gemini failed: %s", error)

        self._deletions.start(delete(), name="deletion of a picture at Gemini")


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
