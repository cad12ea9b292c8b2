"""The ASGI server: uvicorn with httptools, with bounds on the head of a request (ADR 0010)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import uvicorn
from litestar.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .extensions import ABORT

MAX_HEAD_BYTES = 64 * 1024
"""Maximum size of a request's line and headers together."""

HEAD_TIMEOUT_SECONDS = 30.0
"""How long a connection may take to send the head of its first request."""


_KEEP_ALIVE_SECONDS = 15


class BoundedHeadProtocol(HttpToolsProtocol):
    """Closes connections that send an endless head or none."""

    _head_bytes = 0
    _reads_head = True
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._reads_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._reads_head and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The request head is too large.")

    def on_headers_complete(self) -> None:
        self._reads_head = False
        self._cancel_head_timer()
        super().on_headers_complete()
        # For an endless response to a client that does not read: nothing else closes such a connection.
        extensions: dict[str, Any] = self.scope.setdefault("extensions", {})
        extensions[ABORT] = self.transport.abort

    def on_message_complete(self) -> None:
        self._reads_head, self._head_bytes = True, 0
        super().on_message_complete()

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class Server(uvicorn.Server):
    """Leaves signals to its caller: uvicorn would raise the signal again after its shutdown."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def make_server(app: ASGIApp, *, stop_grace: timedelta, host: str = "127.0.0.1", port: int = 0) -> Server:
    """A server for this app, not yet listening; `should_exit` stops it.

    `stop_grace`: how long open requests may continue after the stop.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=BoundedHeadProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(stop_grace.total_seconds()),
    )
    return Server(config)
