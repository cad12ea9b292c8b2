"""The ASGI server as PhotoChanger runs it: uvicorn on httptools, with bounds on the head of a request (ADR 0010)."""

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
"""The most of a request's line and headers together."""

HEAD_SECONDS = 30.0
"""How long a connection may take to send the head of its first request."""


_KEEP_ALIVE_SECONDS = 15


class BoundedHeadProtocol(HttpToolsProtocol):
    """Closes connections that send an endless head, or none."""

    _head_bytes = 0
    _reads_head = True
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._patience = self.loop.call_later(HEAD_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose_patience()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._reads_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._reads_head and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_headers_complete(self) -> None:
        self._reads_head = False
        self._lose_patience()
        super().on_headers_complete()
        # For an answer that never ends to a client that never reads: nothing else gets such a connection closed.
        extensions: dict[str, Any] = self.scope.setdefault("extensions", {})
        extensions[ABORT] = self.transport.abort

    def on_message_complete(self) -> None:
        self._reads_head, self._head_bytes = True, 0
        super().on_message_complete()

    def _lose_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class Server(uvicorn.Server):
    """Leaves signals to its caller: uvicorn would end the process with the signal once it has shut down."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def make_server(app: ASGIApp, *, stop_grace: timedelta, host: str = "127.0.0.1", port: int = 0) -> Server:
    """A server for this app, not yet listening; `should_exit` stops it.

    `stop_grace`: how long waiting requests are held after the stop.
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
