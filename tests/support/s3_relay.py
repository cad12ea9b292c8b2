"""A relay before an S3 service that knows the requests: it counts them, and spoils those that a test names."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import msgspec

_CHUNK = 64 * 1024


class Busy(msgspec.Struct, frozen=True):
    """Answer with this status and code in place of the service."""

    status: int = 503
    code: str = "SlowDown"


class CutRequest(msgspec.Struct, frozen=True):
    """Break the connection after some bytes of the body of the request."""

    after_bytes: int = 0


class CutReply(msgspec.Struct, frozen=True):
    """Let the service do it, and break the connection after some bytes of its answer."""

    after_bytes: int = 0


class FlipByte(msgspec.Struct, frozen=True):
    """Change a bit of the body of the request."""

    at: int = 0


class Hold(msgspec.Struct, frozen=True):
    """Keep the request until `go_on`; `came` is set when it came."""

    came: asyncio.Event
    go_on: asyncio.Event


class HoldReply(msgspec.Struct, frozen=True):
    """Keep what follows after some bytes of the answer until `go_on`; `came` is set when these were passed on."""

    came: asyncio.Event
    go_on: asyncio.Event
    after_bytes: int


Fault = Busy | CutRequest | CutReply | FlipByte | Hold | HoldReply


class S3Relay:
    """Passes each request on over a connection of its own."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._faults: list[tuple[re.Pattern[str], Fault, int]] = []
        self._serving: set[asyncio.Task[None]] = set()
        self.requests: list[str] = []
        """Method and address of each request."""

        self.url = ""

    def spoil(self, pattern: str, fault: Fault, *, times: int = 1) -> None:
        """Do this to the next requests whose method and address match."""
        self._faults.append((re.compile(pattern), fault, times))

    @property
    def listings(self) -> list[str]:
        """The requests that list objects or uploads."""
        bucket_only = re.compile(r"GET /[^/?]+/?(\?|$)")
        return [request for request in self.requests if bucket_only.match(request)]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[S3Relay]:
        """On a free port, on the event loop of the test."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._pass_on(reader, writer)
        finally:
            if not writer.is_closing():
                writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, address, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        body_bytes = int(length[1]) if length else 0
        self.requests.append(f"{method} {address}")
        fault = self._fault(f"{method} {address}")
        if isinstance(fault, Busy):
            await reader.readexactly(body_bytes)
            answer = f"<Error><Code>{fault.code}</Code></Error>"
            writer.write(
                f"HTTP/1.1 {fault.status} Error\r\ncontent-length: {len(answer)}\r\nconnection: close\r\n\r\n"
                f"{'' if method == 'HEAD' else answer}".encode()
            )
            await writer.drain()
            writer.close()
            return
        if isinstance(fault, Hold):
            fault.came.set()
            await fault.go_on.wait()
        assert self._target.hostname is not None
        behind, ahead = await asyncio.open_connection(self._target.hostname, self._target.port)
        try:
            ahead.write(_closing(head))
            await self._pass_body(reader, ahead, body_bytes, fault)
            if isinstance(fault, CutRequest):
                return
            if isinstance(fault, HoldReply):
                writer.write(await behind.readexactly(fault.after_bytes))
                await writer.drain()
                fault.came.set()
                await fault.go_on.wait()
            left = fault.after_bytes if isinstance(fault, CutReply) else None
            while chunk := await behind.read(_CHUNK):
                if left is not None and len(chunk) > left:
                    writer.write(chunk[:left])
                    await writer.drain()
                    return
                left = None if left is None else left - len(chunk)
                writer.write(chunk)
                await writer.drain()
            writer.close()
        finally:
            ahead.transport.abort()

    async def _pass_body(
        self, reader: asyncio.StreamReader, ahead: asyncio.StreamWriter, body_bytes: int, fault: Fault | None
    ) -> None:
        passed = 0
        wanted = min(body_bytes, fault.after_bytes) if isinstance(fault, CutRequest) else body_bytes
        while passed < wanted:
            chunk = bytearray(await reader.read(min(_CHUNK, wanted - passed)))
            if not chunk:
                raise ConnectionResetError("the client closed its connection")
            if isinstance(fault, FlipByte) and passed <= fault.at < passed + len(chunk):
                chunk[fault.at - passed] ^= 1
            ahead.write(chunk)
            await ahead.drain()
            passed += len(chunk)

    def _fault(self, request: str) -> Fault | None:
        for index, (pattern, fault, times) in enumerate(self._faults):
            if pattern.search(request):
                if times == 1:
                    del self._faults[index]
                else:
                    self._faults[index] = (pattern, fault, times - 1)
                return fault
        return None


def _closing(head: bytes) -> bytes:
    """The head with which the service closes the connection after its answer."""
    lines = [line for line in head[:-4].split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"connection: close", b"", b""])
