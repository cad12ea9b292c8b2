"""The provider `turbotext`: work is queued by a form, polled until it is done, and downloaded.

The service fetches photo and templates itself, so they need public links.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from ....core.domain.costs.call_cost import CallCost
from ....core.domain.errors import InvalidSettings
from ....core.domain.media import PictureNeeds
from ....core.domain.routing.failure_cause import FailureCause
from ....core.domain.routing.provider_check import ProviderFinding, ProviderFindingCode
from ....core.domain.slots.slot import RouteEntry
from ....core.domain.validation import parse_fields
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
    Unavailable,
)
from ...http_client.address_guard import AddressGuard, AddressRefused, Resolver, resolve
from ...http_client.client import SafeHttpClient, fits_header
from ...http_client.messages import AddressUnusable, AnswerTooLarge, HttpRequest, host_and_port
from ...system_clock import SYSTEM_CLOCK
from ..downloads import download
from ..schemas import settings_schema, unknown_operation
from ..wire import finding_of
from .client import TurbotextService, wrong_address
from .operations import METHODS, Method

DEFAULT_BASE_URL = "https://www.turbotext.ru"

POLL_INTERVAL = timedelta(seconds=2.5)
"""The service asks for a poll every two to three seconds."""

MAX_MISSES = 5
"""Polls in a row that may fail before paid work is given up."""

MAX_DOWNLOADS = 4
"""Attempts to download a finished picture."""

_DIAGNOSIS = timedelta(seconds=10)
_MAX_PAGE_BYTES = 4 * 1024 * 1024

# The service documents no limits. These are ours: its pictures are smaller, and it fetches over the internet.
_NEEDS = PictureNeeds(
    mimes=("image/jpeg", "image/png", "image/webp"), max_bytes=10 * 1024 * 1024, max_pixels=16_000_000
)

_INFO = ProviderInfo(
    id="turbotext",
    title="Turbotext",
    operations=tuple(
        OperationInfo(
            id=operation_id,
            title=method.title,
            settings_schema=settings_schema(method.settings),
            needs=_NEEDS,
            template_roles=() if method.template_role is None else (method.template_role,),
            prompts=method.prompts,
        )
        for operation_id, method in METHODS.items()
    ),
    needs_public_url=True,
    needs_key=True,
    max_concurrent=2,
)


class TurbotextProvider:
    """A Provider. Work queued for a job is resumed by its reference, not queued (and paid for) again.

    It relies on being given `reference` for the first call of a resumed job only: where the service does not know it
    any more, that call raises Retryable, and the next one, without a reference, queues the work again.

    Args:
        poll_interval: the pause between two questions for a result, or between two tries to fetch it.
        resolver: what turns host names into addresses.
    """

    def __init__(
        self, context: ProviderContext, *, poll_interval: timedelta = POLL_INTERVAL, resolver: Resolver = resolve
    ) -> None:
        self._context = context
        self._poll_interval = poll_interval
        self._base_url = (context.base_url or DEFAULT_BASE_URL).rstrip("/")
        guard = AddressGuard(context.private_hosts, resolver=resolver)
        self._downloads = SafeHttpClient(guard)
        # The address that the operator has set may be private; what its answers name as a download may not.
        place = host_and_port(self._base_url) if context.base_url else None
        self._api = SafeHttpClient(guard.and_host(*place)) if place else self._downloads

    @property
    def info(self) -> ProviderInfo:
        return _INFO

    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        return None

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        method = METHODS.get(operation_id)
        if method is None:
            raise unknown_operation(_INFO.id, operation_id)
        parse_fields(method.settings, settings)

    async def process(self, request: ProviderRequest) -> ProviderResult:
        """The finished picture; raises as the Provider port says.

        Once work is queued, single failures of the network do not end it: its result is asked for and fetched again
        while there is time, which queues nothing and costs nothing.
        """
        method = METHODS.get(request.operation_id)
        if method is None:
            raise Rejected(f"Unknown operation {request.operation_id!r}.", cause=FailureCause.SETTINGS_INVALID)
        url = f"{self._base_url}/api_ai/{method.name}"
        service = TurbotextService(self._api, url, key=await self._key(), until=request.until)
        queue_id = request.reference
        if queue_id is None:
            queue_id = await service.queue(_form(method, request))
            await request.note_reference(queue_id)
            await _pause(self._poll_interval, request.until, instead=_not_finished())
        result = await self._result(service, queue_id, request.until)
        data = await self._picture(service.picture_url(result), request.until)
        return ProviderResult(data, {"queueid": queue_id, "resumed": request.reference is not None})

    async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        """Whether there is a key, and whether the service answers.

        Whether it takes the key cannot be asked for: the API knows nothing but queueing work.
        """
        try:
            await self._key()
            page = HttpRequest(method="GET", url=f"{self._base_url}/")
            until = SYSTEM_CLOCK.now() + _DIAGNOSIS
            answer = await self._api.exchange(page, until=until, max_bytes=_MAX_PAGE_BYTES)
        except AnswerTooLarge:
            return []  # It answers.
        except (AddressUnusable, AddressRefused) as error:
            return [finding_of(wrong_address(error))]
        except Down as error:
            return [_unreachable(f"Turbotext does not answer at {self._base_url}: {error.reason}")]
        except ProviderError as error:
            return [finding_of(error)]
        if answer.status >= 500:
            return [_unreachable(f"Turbotext fails: {self._base_url} answers {answer.status}.")]
        return []

    async def close(self) -> None:
        await self._api.close()
        await self._downloads.close()

    async def _key(self) -> str:
        key = await self._context.key()
        if not key:
            raise NotConfigured(
                "Turbotext has no key: set PHOTOCHANGER_TURBOTEXT_API_KEY, or run "
                "`photochanger providers set-key turbotext`."
            )
        if not fits_header(key):
            raise NotConfigured(
                "The key of Turbotext contains invalid characters: set it again.", cause=FailureCause.KEY_UNREADABLE
            )
        return key

    async def _result(self, service: TurbotextService, queue_id: str, until: datetime) -> Mapping[str, Any]:
        """What the service says of the work when it is finished, good or bad."""
        misses = 0
        while True:
            pause, failure = self._poll_interval, _not_finished()
            try:
                result = await service.result(queue_id)
            except Retryable as error:
                misses += 1
                if misses > MAX_MISSES:
                    raise
                pause, failure = max(pause, error.after or pause), error
            else:
                misses = 0
                if result is not None:
                    return result
            await _pause(pause, until, instead=failure)

    async def _picture(self, url: str, until: datetime) -> bytes:
        for _ in range(MAX_DOWNLOADS - 1):
            try:
                return await download(self._downloads, url, until=until)
            except Retryable as error:
                await _pause(max(self._poll_interval, error.after or self._poll_interval), until, instead=error)
        return await download(self._downloads, url, until=until)


def _form(method: Method[Any], request: ProviderRequest) -> dict[str, str]:
    """The fields of the work. Rejected where settings or templates do not do, NotConfigured without public links."""
    try:
        settings = parse_fields(method.settings, request.settings)
    except InvalidSettings as error:
        raise Rejected(error.detail, cause=FailureCause.SETTINGS_INVALID) from error
    template_url = ""
    if method.template_role is not None:
        if method.template_role not in {*request.templates, *request.template_urls}:
            raise Rejected(
                f"The slot has no template {method.template_role!r}, which this operation needs.",
                cause=FailureCause.TEMPLATE_MISSING,
            )
        template_url = request.template_urls.get(method.template_role, "")
    if not request.photo_url or (method.template_role is not None and not template_url):
        raise NotConfigured(
            "Turbotext fetches pictures by public links, and there are none: PHOTOCHANGER_PUBLIC_BASE_URL must be set."
        )
    return method.form(settings, request.photo_url, template_url)


def _unreachable(detail: str) -> ProviderFinding:
    return ProviderFinding(code=ProviderFindingCode.UNREACHABLE, detail=detail)


def _not_finished() -> ProviderError:
    # Not Down: another try would queue (and pay for) the work again, with even less time left for it.
    return Unavailable("Turbotext had not finished in the time that was left.", cause=FailureCause.TOO_SLOW)


async def _pause(pause: timedelta, until: datetime, *, instead: ProviderError) -> None:
    """Wait; where the window would end before, raise `instead` at once, so that another entry may use what is left."""
    if SYSTEM_CLOCK.now() + pause >= until:
        raise instead
    await asyncio.sleep(pause.total_seconds())
