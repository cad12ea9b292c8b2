"""What the providers that use a service's own SDK share: the client for the key of now, one bounded call, plain words.

SDKs are large: they are loaded at the first call, off the event loop. Their exceptions carry requests (with the key in
their headers) and answers (with pictures), and never leave `called`, not even as the cause of another exception.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import re
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ...core.domain.slots.slot import RouteEntry
from ...core.ports.provider import Down, NotConfigured, ProviderContext, ProviderError, Retryable, Unavailable
from ..http_client.client import remark
from ..system_clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    import httpx2

_T = TypeVar("_T")
_Api = TypeVar("_Api")

DIAGNOSIS_TIME = timedelta(seconds=10)
"""The most that asking a service for its models may take."""

MAX_REMARK_CHARS = 160

_TALKATIVE_LOGGERS = ("httpx2", "httpcore2", "google_genai", "openai")
_KEY_LIKE = re.compile(r"\b(?:sk-|AIza|AQ\.)[A-Za-z0-9_.*-]+")
_STEP = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ms|h|m|s)", re.ASCII)
_MAX_DURATION_CHARS = 64
_STEP_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class Connection(Generic[_Api]):
    """The SDK of one service with one HTTP client, made when first needed and kept until `close`.

    `module` is imported relative to this one and offers `make_api(key, base_url=..., http=...)`, which is called again
    when the key has changed; the HTTP client and its connections stay. For use on one event loop.
    """

    def __init__(self, context: ProviderContext, *, module: str, service: str) -> None:
        self._context = context
        self._module = module
        self._service = service
        self._opening = asyncio.Lock()
        self._http: httpx2.AsyncClient | None = None
        self._current: tuple[str, _Api] | None = None

    async def api(self, *, until: datetime) -> _Api:
        """The service for the key that is set right now. NotConfigured without one, Retryable where time runs out."""
        try:
            async with asyncio.timeout(seconds_left(until)):
                key = await self._context.key()
                if not key:
                    raise NotConfigured(f"No key of {self._service} is set.")
                async with self._opening:
                    return await self._made(key)
        except TimeoutError:
            pass
        raise Retryable("The deadline passed before the service was called.")

    async def close(self) -> None:
        """Close every connection. A later `api` opens new ones."""
        async with self._opening:
            http, self._http = self._http, None
            self._current = None
        if http is not None:
            await http.aclose()

    async def _made(self, key: str) -> _Api:
        if self._http is None:
            self._http = await asyncio.to_thread(_make_http)
            self._current = None
        if self._current is None or self._current[0] != key:
            self._current = (key, await self._set_up(key, self._http))
        return self._current[1]

    async def _set_up(self, key: str, http: httpx2.AsyncClient) -> _Api:
        try:
            return await asyncio.to_thread(self._make, key, http)
        except Exception as error:
            # Only its type is reported, and it is not chained: its text may contain the key.
            kind = type(error).__name__
        raise Unavailable(f"The SDK of {self._service} cannot be initialised ({kind}).")

    def _make(self, key: str, http: httpx2.AsyncClient) -> _Api:
        module = importlib.import_module(self._module, __package__)
        api: _Api = module.make_api(key, base_url=self._context.base_url, http=http)
        _quieten()
        return api


def _make_http() -> httpx2.AsyncClient:
    # Not for the event loop: loading the library and reading the machine's certificates take some 100 ms.
    from . import sdk_http

    return sdk_http.make_http_client()


def _quieten() -> None:
    """Let the SDKs and their HTTP library log warnings only, after they were loaded (openai sets a level then).

    Below that they log URLs and headers of answers, and the address of an upload is as good as a key to it. Set the
    level of these loggers afterwards to see more.
    """
    for name in _TALKATIVE_LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))


async def called(call: Awaitable[_T], *, until: datetime, to_error: Callable[[Exception], ProviderError]) -> _T:
    """What the call brings by `until`. Down where it is not there by then; `to_error` names every other exception.

    The exception that is raised is not chained to the one that it names.
    """
    try:
        async with asyncio.timeout(seconds_left(until)):
            return await call
    except TimeoutError:
        named: ProviderError = Down("No complete answer arrived before the deadline.")
    except ProviderError:
        raise
    except Exception as error:
        named = to_error(error)
    raise named


def seconds_left(until: datetime) -> float:
    """How long it is until then; negative when it has passed."""
    return (until - SYSTEM_CLOCK.now()).total_seconds()


def error_from_transport(error: Exception) -> ProviderError | None:
    """Convert errors that all services share: network, timeout, oversized answer. None for any other."""
    from . import sdk_http

    kind = type(error).__name__
    if isinstance(error, sdk_http.AnswerTooLarge):
        return Retryable("The answer is too large.")
    if isinstance(error, sdk_http.TIMEOUTS):
        return Down(f"The service did not answer in time ({kind}).")
    if isinstance(error, sdk_http.NETWORK_ERRORS):
        return Down(f"The service cannot be reached or closed the connection ({kind}).")
    if isinstance(error, ValueError) and "json" in kind.lower():
        return Down("The service answered with something other than JSON.")
    return None


def scrubbed(text: Any, *, secret: str, max_characters: int = MAX_REMARK_CHARS) -> str:
    """A service's own words for a log: shortened, without the key or anything like one. Empty if not text."""
    if not isinstance(text, str):
        return ""
    return _KEY_LIKE.sub("[key]", remark(text, secret=secret, max_characters=max_characters))


def duration(text: str) -> timedelta | None:
    """A duration such as `46s`, `1.5s`, `6m0s`, `20ms`; None for anything else."""
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
    """One sentence per problem: the key, the service, or a model of these entries that it does not know.

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
