"""A provider of a remote service: work is queued, asked for, resumed by another worker, and cancelled.

The service is an invented photo laboratory. What it does is what many do:

    POST   /prints?print=sepia    the photo as the body; answers 202 {"id": "p-1", "cents": 3}
    GET    /prints/p-1            {"state": "waiting"}, {"state": "refused", "reason": "…"}, {"state": "failed"},
                                  {"state": "done", "picture": "base64…", "cents": 3}; 404 for an unknown id
    DELETE /prints/p-1            the work is not wanted any more
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec
from photochanger.adapters.http_client.messages import HttpRequest
from photochanger.adapters.http_client.retry_after import retry_after
from photochanger.adapters.providers.queued import Failed, Finished, Pace, Pending, QueuedCalls, State
from photochanger.adapters.providers.schemas import settings_schema, unknown_operation
from photochanger.adapters.providers.wire import DIAGNOSIS_TIME, JsonAnswer, RemoteService, finding_of, parsed, scrubbed
from photochanger.adapters.system_clock import SYSTEM_CLOCK
from photochanger.core.domain.costs.call_cost import FREE, CallCost, Price, PriceUnit
from photochanger.core.domain.errors import InvalidSettings
from photochanger.core.domain.media import PictureNeeds
from photochanger.core.domain.routing.provider_check import ProviderFinding, ProviderFindingCode
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.domain.validation import parse_fields
from photochanger.core.ports.provider import (
    Down,
    NotConfigured,
    OperationInfo,
    ProviderContext,
    ProviderError,
    ProviderInfo,
    ProviderRequest,
    ProviderResult,
    QuotaExhausted,
    Rejected,
    Retryable,
)

from .provider import Print

_OPERATION = "print"
_CENT_MICROS = 10_000
_PRICE = CallCost(usd_micros=3 * _CENT_MICROS)
_MAX_CENTS = 10_000


class PrintSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a slot."""

    print: Print = Print.SEPIA


_INFO = ProviderInfo(
    id="sepia-lab",
    title="Sepia laboratory",
    operations=(
        OperationInfo(
            id=_OPERATION,
            title="Print",
            settings_schema=settings_schema(PrintSettings),
            needs=PictureNeeds(mimes=("image/jpeg",), max_bytes=8 * 1024 * 1024, max_pixels=4_000_000),
        ),
    ),
    needs_key=True,
    max_concurrent=4,
    prices=(Price(model="lab-1", what="picture", unit=PriceUnit.PICTURE, usd_micros=_PRICE.usd_micros),),
)


class SepiaLab:
    """The provider. Each call reads the key and the address that are set now, from its context."""

    def __init__(self, context: ProviderContext, *, pace: Pace | None = None) -> None:
        self._service = RemoteService(context, name="the laboratory", url="https://lab.example")
        self._queued = QueuedCalls("the laboratory", pace=pace)

    @property
    def info(self) -> ProviderInfo:
        return _INFO

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        _checked(operation_id, settings)

    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        """An estimate from the price table: budgets are enforced with it before a call."""
        try:
            _checked(operation_id, settings)
        except InvalidSettings:
            return None
        return _PRICE

    async def process(self, request: ProviderRequest) -> ProviderResult:
        """The print. QueuedCalls saves the reference, polls, resumes saved work and cancels what nobody waits for."""
        try:
            settings = _checked(request.operation_id, request.settings)
        except InvalidSettings as error:
            raise Rejected(error.detail) from error
        key = await self._service.key(until=request.until)
        return await self._queued.result(_Work(self._service, key, request, settings), request, cost=_PRICE)

    async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        """The service has no question that costs nothing, so only the key is looked for."""
        if not used:
            return []
        try:
            await self._service.key(until=SYSTEM_CLOCK.now() + DIAGNOSIS_TIME)
        except ProviderError as error:
            return [finding_of(error)]
        return []

    async def close(self) -> None:
        """Give work that is being cancelled a few seconds, then close the connections."""
        await self._queued.close()
        await self._service.close()


class Submitted(msgspec.Struct, frozen=True):
    """The answer to queued work."""

    id: str


class Answered(msgspec.Struct, frozen=True):
    """The answer to a question for work."""

    state: str
    picture: str | None = None
    reason: str | None = None
    cents: int | None = None


class _Work:
    """One print: a QueuedWork. Its reference is the id that the service gave it."""

    def __init__(self, service: RemoteService, key: str, request: ProviderRequest, settings: PrintSettings) -> None:
        self._service = service
        self._key = key
        self._request = request
        self._settings = settings

    async def submit(self) -> tuple[str, State[ProviderResult]]:
        photo = self._request.photo
        asked = self._asked("POST", f"/prints?print={self._settings.print}", body=photo.data, mime=photo.mime)
        answer = await self._service.ask(asked, until=self._request.until, expected=_PRICE)
        self._require_good(answer)
        return parsed(answer, Submitted, service="The laboratory").id, Pending()

    async def poll(self, reference: str, *, until: datetime) -> State[ProviderResult]:
        answer = await self._service.ask(self._asked("GET", self._path(reference)), until=until)
        if answer.status == 404:
            # Retryable: the next call, which gets no reference, submits the work again.
            return Failed(Retryable("The laboratory does not know the work any more."))
        self._require_good(answer)
        found = parsed(answer, Answered, service="The laboratory")
        if found.state == "refused":
            # Rejected: final for this entry, and never counted as an outage. This service bills no refusal.
            reason = scrubbed(found.reason, secret=self._key)
            return Failed(Rejected(f"The laboratory refuses the photo: {reason}", cost=FREE))
        if found.state == "failed":
            return Failed(Down("The work failed at the laboratory.", cost=FREE))
        if found.state != "done":
            return Pending()
        if not found.picture or not (picture := answer.body.picture(found.picture)):
            return Failed(Retryable("The laboratory answered without a picture.", cost=_PRICE))
        cost = _PRICE
        if found.cents is not None and 0 <= found.cents <= _MAX_CENTS:
            cost = CallCost(usd_micros=found.cents * _CENT_MICROS, exact=True)
        return Finished(ProviderResult(picture, {"work": reference[:40]}, cost=cost, model="lab-1"))

    async def cancel(self, reference: str, *, until: datetime) -> None:
        answer = await self._service.ask(self._asked("DELETE", self._path(reference)), until=until)
        if answer.status != 404:  # then it has ended
            self._require_good(answer)

    def _asked(self, method: str, path: str, *, body: bytes | None = None, mime: str | None = None) -> HttpRequest:
        headers = {"Authorization": f"Bearer {self._key}"} | ({"Content-Type": mime} if mime else {})
        return HttpRequest(method=method, url=f"{self._service.url}{path}", headers=headers, body=body)

    def _path(self, reference: str) -> str:
        return f"/prints/{quote(reference, safe='')}"

    def _require_good(self, answer: JsonAnswer) -> None:
        """Raise what an error status means: the classification table of this provider."""
        status = answer.status
        if status < 300:
            return
        if status in (401, 403):
            raise NotConfigured(f"The laboratory refuses the key ({status}).", finding=ProviderFindingCode.KEY_REFUSED)
        if status == 402:
            raise QuotaExhausted("The account at the laboratory has no credit left.")
        if status == 429:
            raise Retryable("The laboratory limits requests (429).", after=retry_after(answer.headers))
        if status >= 500:
            raise Down(f"The laboratory fails ({status}).")
        raise Rejected(f"The laboratory refuses the request ({status}).")


def _checked(operation_id: str, settings: Mapping[str, Any]) -> PrintSettings:
    """The settings. Raises InvalidSettings."""
    if operation_id != _OPERATION:
        raise unknown_operation(_INFO.id, operation_id)
    return parse_fields(PrintSettings, settings)
