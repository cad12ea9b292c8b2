"""Receiving a request's body while its handler waits for the database: the time of the upload is not lost."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from types import TracebackType
from typing import Any, Self, TypeVar

from litestar.types import Receive

from ....core.services.support.concurrency import race
from ..protocol.body import ClientGone

MAX_EARLY_BYTES = 32 * 1024 * 1024
"""Bytes that all requests of this process hold that way; further ones stay with their clients."""

_EARLY_AFTER_SECONDS = 0.3
"""Where the database answers sooner, nothing is received before its handler reads it."""

_T = TypeVar("_T")


class EarlyBody:
    """The body of one request. Close it: what it holds counts for all requests together."""

    _all_held_bytes = 0

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._messages: deque[Any] = deque()
        self._more = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._messages:
            self._take()

    async def during(self, waiting: Awaitable[_T]) -> _T:
        """The result of `waiting`; meanwhile the body is received. ClientGone if its client goes."""
        outcome: list[_T] = []

        async def wait() -> None:
            outcome.append(await waiting)

        ended, _ = await race(wait(), self._fill())
        if ended == 1:
            raise ClientGone
        return outcome[0]

    async def receive(self) -> Any:
        """The next message of the body, as ASGI's `receive`."""
        return self._take() if self._messages else await self._receive()

    def _take(self) -> Any:
        message = self._messages.popleft()
        EarlyBody._all_held_bytes -= len(message.get("body", b""))
        return message

    async def _fill(self) -> None:
        """Receive until all is there or there is no room; return only where the client has gone."""
        await asyncio.sleep(_EARLY_AFTER_SECONDS)
        while self._more and EarlyBody._all_held_bytes < MAX_EARLY_BYTES:
            message: Any = await self._receive()
            if message["type"] == "http.disconnect":
                return
            self._messages.append(message)
            EarlyBody._all_held_bytes += len(message.get("body", b""))
            self._more = message.get("more_body", False)
        await asyncio.Event().wait()
