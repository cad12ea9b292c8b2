"""The ASGI server: uvicorn with httptools and bounded connections (ADR 10, ADR 41)."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import uvicorn
from litestar.types import ASGIApp

from ..file_limit import file_limit
from .connection.limits import limits_for
from .connection.places import PlaceChecks, Places
from .connection.protocol import BoundedProtocol

_UNSENT_BYTES = 256 * 1024
"""What the kernel may hold unsent for one connection; its default is megabytes for a client that does not read."""


class Server(uvicorn.Server):
    """Leaves signals to its caller: uvicorn would raise the signal again after its shutdown."""

    def __init__(self, config: uvicorn.Config, places: Places) -> None:
        super().__init__(config)
        self._checks = PlaceChecks(places)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        for listening in sockets or []:
            _bound_unsent(listening)
        await super().startup(sockets)
        self._checks.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().shutdown(sockets)
        finally:
            self._checks.stop()


def make_server(
    app: ASGIApp, *, stop_grace: timedelta, host: str = "127.0.0.1", port: int = 0, places: Places | None = None
) -> Server:
    """A server for this app, not yet listening; `should_exit` stops it.

    `stop_grace`: how long open requests may continue after the stop. `places`: None bounds connections by the limit on
    open files.
    """
    places = Places(limits_for(file_limit())) if places is None else places
    protocol: Any = partial(BoundedProtocol, places=places)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=protocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # our middleware does that
        lifespan="off",
        timeout_graceful_shutdown=int(stop_grace.total_seconds()),
    )
    return Server(config, places)


def _bound_unsent(listening: socket.socket) -> None:
    """Set the bound on a listening socket, whose connections inherit it, where the system has it."""
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None and listening.family in (socket.AF_INET, socket.AF_INET6):
        listening.setsockopt(socket.IPPROTO_TCP, option, _UNSENT_BYTES)
