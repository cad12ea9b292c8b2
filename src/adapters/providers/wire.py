"""What all providers of remote JSON APIs share: the key of now, one bounded call, plain words, and a diagnosis.

Answers and errors carry pictures and keys: none of them is chained to the ProviderError that is raised for it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from ...core.domain.costs.call_cost import CallCost, ModelStatus
from ...core.domain.outside_text import cut
from ...core.domain.routing.failure_cause import FailureCause
from ...core.domain.routing.provider_check import ProviderFinding, ProviderFindingCode
from ...core.domain.slots.slot import RouteEntry
from ...core.ports.provider import (
    Down,
    NotConfigured,
    ProviderContext,
    ProviderError,
    QuotaExhausted,
    Retryable,
    Unavailable,
)
from ..http_client.address_guard import AddressGuard, AddressRefused, Resolver, resolve
from ..http_client.client import SafeHttpClient, fits_header, remark
from ..http_client.messages import AddressUnusable, Answer, AnswerTooLarge, HttpRequest, host_and_port
from ..http_client.picture_json import JsonUnreadable, PictureJson, is_long
from ..system_clock import SYSTEM_CLOCK
from .catalogue import Catalogue
from .costs import perhaps_charged

_T = TypeVar("_T")

DIAGNOSIS_TIME = timedelta(seconds=10)
"""The most that asking a service for its models may take."""

MAX_ANSWER_BYTES = 96 * 1024 * 1024
"""Maximum size of one answer: a picture of 64 MiB in base64 and its envelope."""

MAX_ERROR_BYTES = 1024 * 1024
"""Maximum size of an answer with an error status."""

MAX_REMARK_CHARS = 160

JsonAnswer = Answer[PictureJson]

_KEY_LIKE = re.compile(r"\b(?:sk-|AIza|AQ\.|ya29\.|eyJ)[A-Za-z0-9_.*-]+")
_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LETTERS = re.compile(r"[a-z]+")
_STEP = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ms|h|m|s)", re.ASCII)
_MAX_DURATION_CHARS = 64
_STEP_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The request that an answer belongs to.

    Attributes:
        model: the one that was requested.
        secret: what no log may show of it.
        models: the provider's data file.
        expected: the probable cost.
        settings: the names of the optional settings that were sent.
    """

    model: str
    secret: str
    models: Catalogue[Any]
    expected: CallCost | None = None
    settings: tuple[str, ...] = ()
    seed: int | None = None

    def __repr__(self) -> str:
        return f"Asked({self.model!r})"


class RemoteService:
    """A service at its own address or at the one that the operator set, which may be private.

    `downloads` fetches what its answers name: from public addresses only, and never with the key.
    """

    def __init__(self, context: ProviderContext, *, name: str, url: str, resolver: Resolver = resolve) -> None:
        self._context = context
        self._name = name
        self.url = (context.base_url or url).rstrip("/")
        guard = AddressGuard(context.private_hosts, resolver=resolver)
        self.downloads = SafeHttpClient(guard)
        place = host_and_port(self.url) if context.base_url else None
        self._http = SafeHttpClient(guard.and_host(*place)) if place else self.downloads

    async def key(self, *, until: datetime) -> str:
        """Return the key that is set now. NotConfigured without a usable one, Retryable where time runs out."""
        try:
            async with asyncio.timeout(seconds_left(until)):
                key = await self._context.key()
        except TimeoutError:
            key = None
        if seconds_left(until) <= 0:
            raise Retryable("The deadline passed before the service was called.", cause=FailureCause.WINDOW_ENDED)
        if not key:
            raise NotConfigured(f"No key of {self._name} is set.", finding=ProviderFindingCode.KEY_MISSING)
        if not fits_header(key):
            raise NotConfigured(
                f"The key of {self._name} contains invalid characters. Set it again.",
                finding=ProviderFindingCode.KEY_UNREADABLE,
            )
        return key

    async def ask(self, request: HttpRequest, *, until: datetime, expected: CallCost | None = None) -> JsonAnswer:
        """Send a request once and read its answer, whatever the status; raises ProviderError.

        `expected` is the probable cost of a picture: without an answer the service may charge it all the same.
        """
        return await self._ask(self._http, request, until=until, charged=perhaps_charged(expected))

    async def ask_elsewhere(self, request: HttpRequest, *, until: datetime) -> JsonAnswer:
        """As `ask`, at another address that is public or listed as private; a request without the key."""
        return await self._ask(self.downloads, request, until=until, charged=None)

    async def _ask(
        self, http: SafeHttpClient, request: HttpRequest, *, until: datetime, charged: CallCost | None
    ) -> JsonAnswer:
        try:
            return await http.exchange_json(
                request, until=until, max_bytes=MAX_ANSWER_BYTES, max_error_bytes=MAX_ERROR_BYTES
            )
        except AnswerTooLarge:
            error: ProviderError = Retryable("The answer is too large.", cost=charged)
        except JsonUnreadable:
            error = Retryable(f"The answer of {self._name} is no JSON, or too much of it.", cost=charged)
        except AddressRefused as refused:
            error = Unavailable(f"The address of {self._name} cannot be used: {refused}")
        except AddressUnusable:
            error = NotConfigured(f"The address of {self._name} is no http or https address.")
        except ProviderError as failed:
            error = type(failed)(failed.reason, cost=failed.cost or charged, cause=failed.cause)
        raise error

    async def close(self) -> None:
        """Close every connection. A later call opens new ones."""
        await self._http.close()
        await self.downloads.close()


def decoded(answer: JsonAnswer) -> Any:
    """Return the JSON of an answer without its long strings; None where it is none."""
    try:
        return msgspec.json.decode(answer.body.document)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def parsed(answer: JsonAnswer, kind: type[_T], *, service: str) -> _T:
    """Return the JSON of a good answer as this type. Down where it is none, Retryable where it has another shape."""
    try:
        return msgspec.json.decode(answer.body.document, type=kind)
    except msgspec.ValidationError:
        error: ProviderError = Retryable(f"{service}'s answer has another shape than its API has.")
    except (msgspec.DecodeError, UnicodeDecodeError):
        error = Down(f"{service} answered with something other than JSON.")
    raise error


def seconds_left(until: datetime) -> float:
    """Return how long it is until then; negative when it has passed."""
    return (until - SYSTEM_CLOCK.now()).total_seconds()


def scrubbed(text: Any, *, secret: str, max_characters: int = MAX_REMARK_CHARS) -> str:
    """Return a service's own words for a log: shortened, without the key or anything like one. Empty if not text."""
    if not isinstance(text, str) or is_long(text):
        return ""
    return _KEY_LIKE.sub("[key]", remark(text, secret=secret, max_characters=max_characters))


def duration(text: str) -> timedelta | None:
    """Return a duration such as `46s`, `1.5s`, `6m0s`, `20ms`; None for anything else."""
    if len(text) > _MAX_DURATION_CHARS:
        return None
    steps = _STEP.findall(text)
    if not steps or "".join(number + unit for number, unit in steps) != text:
        return None
    # More than a day is no wait that a job could sit out; so nothing overflows either.
    seconds = sum(float(number) * _STEP_SECONDS[unit] for number, unit in steps)
    return timedelta(seconds=min(seconds, 86_400.0))


def refused_setting(words: str, settings: Collection[str]) -> str | None:
    """Return the setting of these that an error names, in any spelling (`image_size`, `imageSize`); None if none."""
    spelled = "_".join(_LETTERS.findall(_CAMEL_CASE.sub("_", cut(words)).lower()))
    return next((name for name in sorted(settings) if f"_{name}_" in f"_{spelled}_"), None)


async def diagnosed(
    ask: Callable[[datetime], Awaitable[Collection[str]]],
    used: Collection[RouteEntry],
    *,
    provider_id: str,
    models: Catalogue[Any],
) -> list[ProviderFinding]:
    """Return what is wrong with the key, the service, or the models of these entries.

    `ask` brings the names of the models that the service has. Without a key and without entries nothing is missing.
    """
    entries = [entry for entry in used if entry.provider_id == provider_id]
    try:
        known = await ask(SYSTEM_CLOCK.now() + DIAGNOSIS_TIME)
    except NotConfigured as error:
        return [finding_of(error)] if entries else []
    except ProviderError as error:
        return [finding_of(error)]
    names = sorted({str(entry.settings.get("model", models.default_model)) for entry in entries})
    return [found for name in names if (found := model_finding(name, models, offered=name in known))]


def finding_of(error: ProviderError) -> ProviderFinding:
    """Return the finding of a check that a service, or the lack of a setting, made impossible."""
    if isinstance(error, NotConfigured):
        return ProviderFinding(code=error.finding, detail=error.reason)
    code = ProviderFindingCode.FAILED
    if isinstance(error, QuotaExhausted):
        code = ProviderFindingCode.QUOTA_EXHAUSTED
    elif isinstance(error, Down):
        code = ProviderFindingCode.UNREACHABLE
    return ProviderFinding(code=code, detail=f"Its check failed: {error.reason}")


def model_finding(name: str, models: Catalogue[Any], *, offered: bool) -> ProviderFinding | None:
    """Return what is wrong with a model, by the data file and by whether the service offers it; None if nothing."""
    model = models.model(name.removeprefix("models/"))
    status = model.status if model else ModelStatus.CURRENT
    if offered and status is ModelStatus.CURRENT:
        return None
    params = {"model": cut(name, 80)}
    if model is not None and model.replacement is not None:
        params["replacement"] = model.replacement
    if model is not None and model.retires_on is not None:
        params["retires_on"] = model.retires_on.isoformat()
    instead = f" Use {params['replacement']!r} instead." if "replacement" in params else ""
    shown = repr(params["model"])
    if offered:
        ends = f" and ends on {params['retires_on']}" if "retires_on" in params else ""
        detail = f"The model {shown} is deprecated{ends}.{instead}"
        return ProviderFinding(code=ProviderFindingCode.MODEL_DEPRECATED, detail=detail, params=params)
    if status is ModelStatus.CURRENT:
        detail = f"The service does not know the model {shown}.{instead}"
        return ProviderFinding(code=ProviderFindingCode.MODEL_UNKNOWN, detail=detail, params=params)
    detail = f"The service no longer has the model {shown}.{instead}"
    return ProviderFinding(code=ProviderFindingCode.MODEL_RETIRED, detail=detail, params=params)
