"""HTTP over bare connections, for what no client library sends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec
from photochanger.entrypoints.http.connection.limits import ConnectionLimits
from photochanger.entrypoints.http.connection.places import Places

from tests.support.service import HANG_SECONDS

GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
LIVE = b'{"status":"live"}'

UNREACHED = timedelta(hours=1)

ROOMY = ConnectionLimits(
    total=64, per_address=64, reserve=16, head_timeout=UNREACHED, idle_timeout=UNREACHED, send_timeout=UNREACHED
)
"""Limits that no test reaches on a machine of any speed."""


def limits(**changes: Any) -> ConnectionLimits:
    """ROOMY with these changes."""
    return msgspec.structs.replace(ROOMY, **changes)


class Later:
    """The time of the service's connections, which passes as fast as a test wants; their timeouts are UNREACHED."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._now = asyncio.get_running_loop().time()

    def passes(self, duration: timedelta = UNREACHED) -> None:
        """Let the time pass, and the service look at it."""
        self._now = max(self._now, asyncio.get_running_loop().time()) + duration.total_seconds()
        self._places.check(self._now)

    async def until(self, done: Callable[[], bool]) -> None:
        """Let the time pass again and again until this is so."""
        async with asyncio.timeout(HANG_SECONDS):
            while not done():
                self.passes()
                await asyncio.sleep(0)


class Answer(NamedTuple):
    """One response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The body as a problem."""
        assert self.headers["content-type"] == "application/problem+json"
        told: dict[str, Any] = json.loads(self.body)
        assert told["status"] == self.status
        return told


class Raw:
    """A connection to the service."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, *, head_only: bool = False) -> Answer:
        """The next response; interim ones are skipped."""
        status = 0
        while status < 200:
            async with asyncio.timeout(HANG_SECONDS):
                lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            status = int(lines[0].split()[1])
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)
        }
        length = 0 if head_only else int(headers.get("content-length", 0))
        return Answer(status, headers, await self.reader.readexactly(length))

    async def ask(self, data: bytes) -> Answer:
        await self.send(data)
        return await self.answer()

    async def closed(self) -> bytes:
        """What else the server sends until it closes the connection."""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(HANG_SECONDS):
                return await self.reader.read()
        return b""

    @property
    def is_at_end(self) -> bool:
        """Whether the server has closed the connection and all that it sent was read."""
        return self.reader.at_eof()

    async def is_alive(self) -> bool:
        """Whether the connection still answers a request."""
        try:
            return (await self.ask(GET)).body == LIVE
        except (OSError, asyncio.IncompleteReadError):
            return False


@contextlib.asynccontextmanager
async def connected(port: int, *, receive_buffer: int | None = None, source: str | None = None) -> AsyncIterator[Raw]:
    """A connection to the service. `receive_buffer`: bytes that the kernel takes for a client that does not read."""
    sock = socket.socket()
    sock.setblocking(False)
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    if source is not None:
        sock.bind((source, 0))
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=sock)
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
