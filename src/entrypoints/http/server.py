"""The ASGI server: uvicorn with httptools, bounded connections (ADR 10, ADR 41), and a stop that answers everyone."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import uvicorn
from litestar.types import ASGIApp

from ...core.services.support.concurrency import cancel_and_wait, race
from ..process.file_limit import file_limit
from ..process.stop_limits import ANSWER_LIMIT, LINGER, LONGEST_WORK
from .connection.limits import limits_for
from .connection.places import PlaceChecks, Places
from .connection.protocol import BoundedProtocol
from .shutdown import Shutdown

_UNSENT_BYTES = 256 * 1024
"""What the kernel may hold unsent for one connection; its default is megabytes for a client that does not read."""

_CANCEL_SECONDS = 2.0
"""How long requests that are cancelled may take to end."""


class Server(uvicorn.Server):
    """Leaves signals to its caller, and stops in its own way (ADR 51).

    Attributes:
        stop_grace: how long open requests may go on after `should_exit`; the shutdown may be given up earlier.
    """

    def __init__(self, config: uvicorn.Config, places: Places, shutdown: Shutdown, *, linger: timedelta) -> None:
        super().__init__(config)
        self._checks = PlaceChecks(places)
        self._shutdown = shutdown
        self._linger = linger
        self.stop_grace = LONGEST_WORK

    @property
    def requests(self) -> int:
        """How many requests are in progress."""
        return len(self.server_state.tasks)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        for listening in sockets or []:
            _bound_unsent(listening)
        await super().startup(sockets)
        self._checks.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the listening sockets, refuse what arrives, wait for what is open, and answer the rest with 503."""
        self._shutdown.begin()
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        try:
            over = race(self._shutdown.given_up(), asyncio.sleep(self.stop_grace.total_seconds()))
            await race(self._all_ended(), over)
            self._shutdown.give_up()
            self._end_connections()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_LIMIT.total_seconds()):
                    await self._wait_tasks_to_complete()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CANCEL_SECONDS):
                    await cancel_and_wait(*self.server_state.tasks)
            for connection in self._connections():
                connection.transport.abort()
        finally:
            self._checks.stop()

    async def _all_ended(self) -> None:
        connections = self._connections()
        for connection in connections:
            connection.end_after_request()
        if connections:
            await asyncio.sleep(self._linger.total_seconds())
        self._end_connections()
        await self._wait_tasks_to_complete()

    def _end_connections(self) -> None:
        for connection in self._connections():
            connection.shutdown()

    def _connections(self) -> list[BoundedProtocol]:
        return [connection for connection in self.server_state.connections if isinstance(connection, BoundedProtocol)]


def make_server(
    app: ASGIApp,
    *,
    shutdown: Shutdown | None = None,
    linger: timedelta = LINGER,
    host: str = "127.0.0.1",
    port: int = 0,
    places: Places | None = None,
) -> Server:
    """A server for this app, not yet listening; `should_exit` stops it.

    `linger`: how long idle connections stay open in a stop. `places`: None bounds connections by the limit on
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
    )
    return Server(config, places, shutdown or Shutdown(), linger=linger)


def _bound_unsent(listening: socket.socket) -> None:
    """Set the bound on a listening socket, whose connections inherit it, where the system has it."""
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None and listening.family in (socket.AF_INET, socket.AF_INET6):
        listening.setsockopt(socket.IPPROTO_TCP, option, _UNSENT_BYTES)
