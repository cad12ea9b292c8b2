"""HTTP to hosts that are named from outside: one request, one bounded answer, through the guard of addresses.

The HTTP library is loaded at the first request, off the event loop: importing photochanger stays fast. Nothing here
logs an URL or a header: links to pictures are as good as the pictures.
"""

from __future__ import annotations

import asyncio
import importlib
import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from ...core.domain.outside_text import MAX_CHARS, cut
from ...core.domain.routing.failure_cause import FailureCause
from ...core.ports.provider import Down
from ..system_clock import SYSTEM_CLOCK
from .address_guard import AddressGuard
from .bodies import BodyReader, WholeBody
from .messages import Answer, HttpRequest, HttpResponse
from .picture_json import PictureJson, PictureJsonReader

if TYPE_CHECKING:
    from .guarded_transport import GuardedTransport

_T = TypeVar("_T")

_LINK = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{0,31}://\S+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_LONG_WORD = re.compile(r"\S{49,}")


class SafeHttpClient:
    """Connections to the hosts that a guard lets through, opened when first needed and kept until `close`."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._opening = asyncio.Lock()
        self._connections: GuardedTransport | None = None

    async def exchange(self, request: HttpRequest, *, until: datetime, max_bytes: int) -> HttpResponse:
        """Send a request once and read its answer whole, whatever the status.

        Raises Down where the host cannot be reached (with the cost FREE: nothing was sent), breaks off or has not
        answered whole by `until`; AddressRefused where the guard says no; AddressUnusable for an URL that is none;
        AnswerTooLarge past `max_bytes` of body.
        """
        return await self._exchange(request, WholeBody(), until=until, max_bytes=lambda status: max_bytes)

    async def exchange_json(
        self, request: HttpRequest, *, until: datetime, max_bytes: int, max_error_bytes: int
    ) -> Answer[PictureJson]:
        """As `exchange`, for an answer that is JSON with pictures in it; they are decoded while they arrive.

        `max_error_bytes` bounds an answer with an error status. Raises JsonUnreadable as well. Whether the answer is
        JSON is left to the caller.
        """
        return await self._exchange(
            request,
            PictureJsonReader(),
            until=until,
            max_bytes=lambda status: max_bytes if status < 400 else max_error_bytes,
        )

    async def exchange_into(
        self, request: HttpRequest, body: BodyReader[_T], *, until: datetime, max_bytes: int
    ) -> Answer[_T]:
        """As `exchange`, for an answer that is read while it arrives and need not be held."""
        return await self._exchange(request, body, until=until, max_bytes=lambda status: max_bytes)

    async def _exchange(
        self, request: HttpRequest, body: BodyReader[_T], *, until: datetime, max_bytes: Callable[[int], int]
    ) -> Answer[_T]:
        left = (until - SYSTEM_CLOCK.now()).total_seconds()
        try:
            async with asyncio.timeout(left):
                connections = await self._opened()
                return await connections.exchange(request, body, seconds=max(left, 0.001), max_bytes=max_bytes)
        except TimeoutError as error:
            raise Down("No whole answer came in the time that was left.", cause=FailureCause.NO_ANSWER) from error

    async def close(self) -> None:
        """Close every connection. A later `exchange` opens new ones."""
        async with self._opening:
            connections, self._connections = self._connections, None
        if connections is not None:
            await connections.close()

    async def _opened(self) -> GuardedTransport:
        async with self._opening:
            if self._connections is None:
                module = await asyncio.to_thread(importlib.import_module, ".guarded_transport", __package__)
                # Reading the certificates of the machine takes some 20 ms: not on the event loop either.
                tls = await asyncio.to_thread(module.tls_context)
                connections: GuardedTransport = module.GuardedTransport(self._guard, tls=tls)
                self._connections = connections
            return self._connections


def fits_header(text: str) -> bool:
    """Whether a text can be a header's value. Whatever cannot must not be tried: the error would quote it."""
    return _HEADER_VALUE.fullmatch(text) is not None


def remark(text: str, *, secret: str | None, max_characters: int = 160) -> str:
    """A service's own words, fit for a log: one line, short, without the secret, links, and what may be data."""
    plain = " ".join(_cut_without(secret, text).split())
    plain = "".join(character for character in plain if character.isprintable())
    plain = _LONG_WORD.sub("[…]", _LINK.sub("[link]", plain))
    return plain if len(plain) <= max_characters else plain[: max_characters - 1] + "…"


def _cut_without(secret: str | None, text: str) -> str:
    """The start of a text without a secret, not even half a one at its end."""
    if not secret:
        return cut(text)
    start = cut(text, MAX_CHARS + len(secret))
    plain = start.replace(secret, "[secret]")
    return cut(plain if len(start) == len(text) else plain[: -len(secret)])
