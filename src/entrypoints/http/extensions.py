"""Extensions of the ASGI scope that the server offers to the app."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

CONNECTION = "photochanger.connection"
"""The extension with the request's `ClientConnection`."""


class ClientConnection:
    """The connection of a request, for what ASGI has no message for."""

    def __init__(self, transport: asyncio.Transport, discard: Callable[[int], Awaitable[None]]) -> None:
        self._transport = transport
        self._discard = discard
        self._half_closed = asyncio.Event()

    @property
    def is_closing(self) -> bool:
        """Nothing that is sent now would arrive."""
        return self._transport.is_closing()

    def abort(self) -> None:
        """Cut the connection, with what was not sent yet."""
        self._transport.abort()

    async def discard(self, max_bytes: int) -> None:
        """Receive and drop the rest of the request, at a low cost; return at its end. No request can follow."""
        await self._discard(max_bytes)

    def note_half_close(self) -> None:
        """The client will send nothing more. It may still read, or it may be gone."""
        self._half_closed.set()

    async def half_closed(self) -> None:
        """Return once the client has shut down its sending side."""
        await self._half_closed.wait()


RECEIVED = "photochanger.received"
"""The extension with the moment, in the event loop's time, at which the first byte of a request arrived."""


def age_of(scope: Any) -> timedelta:
    """How long ago the first byte of the request arrived; zero under a server without the extension."""
    now = asyncio.get_running_loop().time()
    return timedelta(seconds=now - scope.get("extensions", {}).get(RECEIVED, now))


def connection_of(scope: Any) -> ClientConnection | None:
    """The connection; None under a server without the extension."""
    connection: ClientConnection | None = scope.get("extensions", {}).get(CONNECTION)
    return connection
