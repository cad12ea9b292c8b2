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

from ...core.domain.slots.slot import RouteEntry
from ...core.ports.provider import Down, NotConfigured, ProviderContext, ProviderError, Retryable, Unavailable
from ..http_client.address_guard import AddressGuard, AddressRefused, Resolver, resolve
from ..http_client.client import SafeHttpClient, fits_header, remark
from ..http_client.messages import AddressUnusable, Answer, AnswerTooLarge, HttpRequest, host_and_port
from ..http_client.picture_json import JsonUnreadable, PictureJson, is_long
from ..system_clock import SYSTEM_CLOCK

_T = TypeVar("_T")

DIAGNOSIS_TIME = timedelta(seconds=10)
"""The most that asking a service for its models may take."""

MAX_ANSWER_BYTES = 96 * 1024 * 1024
"""Maximum size of one answer: a picture of 64 MiB in base64 and its envelope."""

MAX_ERROR_BYTES = 1024 * 1024
"""Maximum size of an answer with an error status."""

MAX_REMARK_CHARS = 160

JsonAnswer = Answer[PictureJson]

_KEY_LIKE = re.compile(r"\b(?:sk-|AIza|AQ\.)[A-Za-z0-9_.*-]+")
_STEP = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ms|h|m|s)", re.ASCII)
_MAX_DURATION_CHARS = 64
_STEP_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


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
            raise Retryable("The deadline passed before the service was called.")
        if not key:
            raise NotConfigured(f"No key of {self._name} is set.")
        if not fits_header(key):
            raise NotConfigured(f"The key of {self._name} contains invalid characters. Set it again.")
        return key

    async def ask(self, request: HttpRequest, *, until: datetime) -> JsonAnswer:
        """Send a request once and read its answer, whatever the status; raises ProviderError."""
        try:
            return await self._http.exchange_json(
                request, until=until, max_bytes=MAX_ANSWER_BYTES, max_error_bytes=MAX_ERROR_BYTES
            )
        except AnswerTooLarge:
            error: ProviderError = Retryable("The answer is too large.")
        except JsonUnreadable:
            error = Retryable(f"The answer of {self._name} is no JSON, or too much of it.")
        except AddressRefused as refused:
            error = Unavailable(f"The address of {self._name} cannot be used: {refused}")
        except AddressUnusable:
            error = NotConfigured(f"The address of {self._name} is no http or https address.")
        except ProviderError as failed:
            error = type(failed)(failed.reason)
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


async def diagnosed(
    ask: Callable[[datetime], Awaitable[Collection[str]]],
    used: Collection[RouteEntry],
    *,
    provider_id: str,
    default_model: str,
) -> list[str]:
    """Return one sentence per problem: the key, the service, or a model of these entries that it does not know.

    `ask` brings the names of the models that the service has. Without a key and without entries nothing is missing.
    """
    entries = [entry for entry in used if entry.provider_id == provider_id]
    try:
        known = await ask(SYSTEM_CLOCK.now() + DIAGNOSIS_TIME)
    except NotConfigured as error:
        return [error.reason] if entries else []
    except ProviderError as error:
        return [f"Listing its models failed: {error.reason}"]
    models = sorted({str(entry.settings.get("model", default_model)) for entry in entries})
    return [f"The service does not know the model {model[:80]!r}." for model in models if model not in known]
