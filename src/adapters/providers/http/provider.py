"""The provider `http`: the photo goes to an address of the studio's own, and the picture is in the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any, NoReturn

from ....core.domain.costs.call_cost import CallCost
from ....core.domain.errors import InvalidSettings
from ....core.domain.media import MIME_EXTENSIONS, Picture, PictureNeeds
from ....core.domain.routing.failure_cause import FailureCause
from ....core.domain.routing.provider_check import ProviderFinding, ProviderFindingCode
from ....core.domain.slots.slot import RouteEntry
from ....core.ports.provider import (
    Down,
    NotConfigured,
    OperationInfo,
    ProviderContext,
    ProviderError,
    ProviderInfo,
    ProviderRequest,
    ProviderResult,
    Rejected,
    Retryable,
)
from ...http_client.address_guard import (
    PRIVATE_HOSTS_VARIABLE,
    AddressGuard,
    AddressRefused,
    HostUnknown,
    Resolver,
    resolve,
)
from ...http_client.client import SafeHttpClient, fits_header
from ...http_client.messages import AddressUnusable, AnswerTooLarge, HttpRequest, HttpResponse, Upload, host_and_port
from ...http_client.retry_after import retry_after
from ..downloads import MAX_PICTURE_BYTES, picture_of
from ..schemas import settings_schema, unknown_operation
from .settings import ROLES, Body, HttpSettings, parse_http_settings

_OPERATION = "image_edit"
_LOOK_UP_SECONDS = 5.0

_NOT_NOW = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY)
"""Client-error statuses that may pass by themselves."""

_INFO = ProviderInfo(
    id="http",
    title="Your own service",
    operations=(
        OperationInfo(
            id=_OPERATION,
            title="Send the photo, take the picture",
            settings_schema=settings_schema(HttpSettings),
            needs=PictureNeeds(
                mimes=("image/jpeg", "image/png", "image/webp"),
                max_bytes=MAX_PICTURE_BYTES,
                max_pixels=100_000_000,
            ),
            template_roles=ROLES,
            prompts=("prompt",),
        ),
    ),
)


class HttpProvider:
    """The provider for a service of the studio's own, at the address of the slot's settings.

    The provider's key, where one is set, goes into the header that the settings name. Private addresses are reached
    only where the operator has listed them; `resolver` turns host names into addresses.
    """

    def __init__(self, context: ProviderContext, *, resolver: Resolver = resolve) -> None:
        self._context = context
        self._guard = AddressGuard(context.private_hosts, resolver=resolver)
        self._http = SafeHttpClient(self._guard)

    @property
    def info(self) -> ProviderInfo:
        return _INFO

    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        return None

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        if operation_id != _OPERATION:
            raise unknown_operation(_INFO.id, operation_id)
        parse_http_settings(settings)

    async def process(self, request: ProviderRequest) -> ProviderResult:
        """The picture of the answer; raises as the Provider port says."""
        if request.operation_id != _OPERATION:
            raise Rejected(f"Unknown operation {request.operation_id!r}.", cause=FailureCause.SETTINGS_INVALID)
        try:
            settings = parse_http_settings(request.settings)
        except InvalidSettings as error:
            raise Rejected(error.detail, cause=FailureCause.SETTINGS_INVALID) from error
        outgoing = _outgoing(settings, request, key=await self._key())
        try:
            answer = await self._http.exchange(outgoing, until=request.until, max_bytes=MAX_PICTURE_BYTES)
        except AddressUnusable as error:
            raise Rejected("The setting url is not an http address.", cause=FailureCause.SETTINGS_INVALID) from error
        except AddressRefused as error:
            raise NotConfigured(_refused(error)) from error
        except AnswerTooLarge as error:
            raise Rejected(
                f"The answer is larger than {MAX_PICTURE_BYTES // (1024 * 1024)} MiB.",
                cause=FailureCause.PICTURE_UNUSABLE,
            ) from error
        if not 200 <= answer.status < 300:
            _refuse(answer)
        return ProviderResult(picture_of(answer), {"status": answer.status})

    async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        """Whether the hosts of these entries have addresses, and such as may be reached. Nothing is sent to them."""
        findings: list[ProviderFinding] = []
        try:
            await self._key()
        except ProviderError as error:
            findings.append(ProviderFinding(code=ProviderFindingCode.KEY_UNREADABLE, detail=error.reason))
        for entry in used:
            problem = await self._problem_of(entry)
            if problem is not None and all(problem != finding.detail for finding in findings):
                findings.append(ProviderFinding(code=ProviderFindingCode.UNREACHABLE, detail=problem))
        return findings

    async def close(self) -> None:
        await self._http.close()

    async def _key(self) -> str | None:
        key = await self._context.key()
        if not key:
            return None
        if not fits_header(key):
            raise NotConfigured(
                "The key of the provider http contains characters that no header can carry: set it again."
            )
        return key

    async def _problem_of(self, entry: RouteEntry) -> str | None:
        try:
            self.check_settings(entry.operation_id, entry.settings)
        except InvalidSettings as error:
            return error.detail
        place = host_and_port(entry.settings["url"])
        if place is None:
            return "The setting url is not an http address."
        try:
            async with asyncio.timeout(_LOOK_UP_SECONDS):
                await self._guard.addresses(*place)
        except TimeoutError:
            return f"Looking up {place[0]} takes too long."
        except HostUnknown as error:
            return str(error)
        except AddressRefused as error:
            return _refused(error)
        return None


def _outgoing(settings: HttpSettings, request: ProviderRequest, *, key: str | None) -> HttpRequest:
    headers = dict(settings.headers)
    if key is not None:
        headers[settings.key_header] = settings.key_prefix + key
    photo = request.photo
    if settings.body is Body.RAW:
        headers["Content-Type"] = photo.mime
        return HttpRequest(method="POST", url=settings.url, headers=headers, body=photo.data)
    fields = dict(settings.fields)
    if settings.prompt:
        fields[settings.prompt_field] = settings.prompt
    uploads = [_upload(settings.file_field, "photo", photo)]
    uploads += [_upload(role, role, request.templates[role]) for role in ROLES if role in request.templates]
    return HttpRequest(method="POST", url=settings.url, headers=headers, fields=fields, uploads=tuple(uploads))


def _upload(field: str, name: str, picture: Picture) -> Upload:
    return Upload(field, f"{name}.{MIME_EXTENSIONS.get(picture.mime, 'bin')}", picture.data, picture.mime)


def _refused(error: AddressRefused) -> str:
    return (
        f"{error.host} is not at a public address. If your service is there, add {error.host} to "
        f"{PRIVATE_HOSTS_VARIABLE}."
    )


def _refuse(answer: HttpResponse) -> NoReturn:
    """Raise what a status that is no success means. What else the service says may quote the photo: it is left out."""
    status = answer.status
    if status >= 500:
        raise Down(f"The service fails ({status}).")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise Retryable(
            "The service limits requests (429).",
            after=retry_after(answer.headers, answer.body),
            cause=FailureCause.BUSY,
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise NotConfigured(f"The service refuses the key, or wants one ({status}).", cause=FailureCause.KEY_REFUSED)
    if status in _NOT_NOW:
        raise Retryable(f"The service cannot serve the request now ({status}).", cause=FailureCause.BUSY)
    if status < 400:
        raise Rejected(f"The service redirects to another address ({status}), which is not followed.")
    raise Rejected(f"The service refuses the request ({status}).")
