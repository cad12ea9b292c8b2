"""What the stand-ins of services share: a small real HTTP server on a free loopback port, scripted call by call.

A stand-in says what a right request is (`check`) and what a good answer to it is (`answer`). A test says where the
service behaves otherwise: `script` takes behaviours, one of which each right call uses up; without one the answer is
good. A wrong request is refused whatever the script says, and uses up nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

_T = TypeVar("_T")

MAX_BODY_BYTES = 256 * 1024 * 1024


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came: header names in lower case, the path without its query, the body whole."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; ValueError where it is none."""
        return json.loads(self.body)


class Answer(msgspec.Struct, frozen=True):
    """What goes back. Content-Length is added."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = {}


def json_answer(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer whose body is JSON."""
    kind = {"Content-Type": "application/json; charset=UTF-8"}
    return Answer(status, json.dumps(value).encode(), {**kind, **(headers or {})})


class Exchange:
    """One call that a behaviour answers, over the bare connection where it likes."""

    def __init__(
        self, server: StandInServer, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.request = request
        self.writer = writer
        self._server = server
        self._reader = reader

    def good(self) -> Answer:
        """The answer that the service gives on a good day. Ask for it once: it may move the service's state."""
        return self._server.answer(self.request)

    async def send(self, answer: Answer) -> None:
        """The whole answer."""
        self.writer.write(head_of(answer, len(answer.body)) + answer.body)
        await self.writer.drain()

    async def client_gone(self) -> None:
        """Return when the client has closed the connection, and count it."""
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(65536):
                pass
        self._server.note_hang_up()
        self.writer.close()


Behaviour = Callable[[Exchange], Awaitable[None]]
"""Answers one call, or does not. A behaviour that ends without an answer must have closed the connection."""


class StandInServer:
    """The server. `async with` it, or `running_in_thread()` where the test itself has no event loop.

    Attributes:
        url: where it listens, without a slash at the end.
        received: every request so far, right ones and wrong ones.
        refused: what `check` found wrong, as the bodies of the answers; empty after a test where all went right.
        hang_ups: how many clients left while a behaviour of this module made them wait.
        connections: how many connections were made so far.
    """

    def __init__(self) -> None:
        self.url = ""
        self.received: list[Received] = []
        self.refused: list[bytes] = []
        self.hang_ups = 0
        self.connections = 0
        self._scripts: dict[str, deque[Behaviour]] = defaultdict(deque)
        self._serving: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    # What a stand-in says of its service.

    def call_of(self, request: Received) -> str:
        """The name of the call, for `script` and `calls`; a service with one sort of call needs no other."""
        return "call"

    def check(self, request: Received) -> Answer | None:
        """The service's refusal of a wrong request, None for a right one."""
        return None

    def answer(self, request: Received) -> Answer:
        """The good answer to a right request."""
        raise NotImplementedError

    # What a test does with it.

    def script(self, *behaviours: Behaviour | Answer, call: str = "call") -> None:
        """The next right calls of this name meet these, one each, in this order."""
        self._scripts[call] += [answering(each) if isinstance(each, Answer) else each for each in behaviours]

    def forget_scripts(self) -> None:
        """Every call meets a good day from now on."""
        self._scripts.clear()

    def calls(self, call: str = "call") -> list[Received]:
        """The requests of this name so far."""
        return [request for request in self.received if self.call_of(request) == call]

    async def until(self, true: Callable[[], bool]) -> None:
        """Return once this holds; looked at after each request, answer and hang-up."""
        async with self._changed:
            await self._changed.wait_for(true)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *raised: object) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self._serving:
            connection.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    @contextlib.contextmanager
    def running_in_thread(self) -> Iterator[Self]:
        """The server on an event loop of its own in another thread, until the block ends."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="stand-in", daemon=True)
        thread.start()
        self._loop = loop
        try:
            self.run(self.__aenter__())
            yield self
        finally:
            self.run(self.__aexit__())
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def run(self, work: Coroutine[Any, Any, _T], *, seconds: float = 180) -> _T:
        """From a test without an event loop: do this on the server's, such as `run(server.until(...))`."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    def note_hang_up(self) -> None:
        """A client left while it was made to wait."""
        self.hang_ups += 1

    # The connections.

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing() and (request := await _read_request(reader)) is not None:
                self.received.append(request)
                await self._tell()
                await self._handle(Exchange(self, request, reader, writer))
                await self._tell()
        except (ConnectionError, asyncio.IncompleteReadError):
            # The client left in the middle: tests of cancellation want just that.
            await self._tell()
        finally:
            writer.close()

    async def _handle(self, exchange: Exchange) -> None:
        refusal = self.check(exchange.request)
        if refusal is not None:
            self.refused.append(refusal.body)
            await exchange.send(refusal)
            return
        scripted = self._scripts[self.call_of(exchange.request)]
        if scripted:
            await scripted.popleft()(exchange)
        else:
            await exchange.send(exchange.good())

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


_HANG_SECONDS = 180
"""Bounds a test that would wait for ever; no test depends on how soon something happens."""

_WINDOWS_SECONDS = (0.1, 0.4, 1.6, 6.4, 25.6)


async def end_of_window(
    server: StandInServer, behaviour: Behaviour, attempt: Callable[[float], Awaitable[_T]], *, call: str = "call"
) -> _T:
    """The result of an attempt whose window of so many seconds ends while the behaviour keeps the client waiting.

    The window grows until the attempt gets as far as that call, so that the result does not depend on the machine's
    speed. Returns once the server has noticed that the client hung up.
    """
    server.script(*[behaviour] * len(_WINDOWS_SECONDS), call=call)
    calls_before, hang_ups_before = len(server.calls(call)), server.hang_ups

    def all_hung_up() -> bool:  # of earlier attempts too, whose calls may come late
        return server.hang_ups - hang_ups_before == len(server.calls(call)) - calls_before

    for seconds in _WINDOWS_SECONDS:
        before = len(server.calls(call))
        result = await attempt(seconds)
        for _ in range(100):  # the server reads what was sent at the last moment
            await asyncio.sleep(0)
        if len(server.calls(call)) > before:
            async with asyncio.timeout(_HANG_SECONDS):
                await server.until(all_hung_up)
            return result
    raise AssertionError(f"{call} was not called within {_WINDOWS_SECONDS[-1]} s")


# Behaviours that any service may show.


def answering(answer: Answer) -> Behaviour:
    """This very answer."""

    async def behave(exchange: Exchange) -> None:
        await exchange.send(answer)

    return behave


def html(status: int = 200) -> Behaviour:
    """A page for people, as a proxy or a maintenance window gives it."""
    page = b"<!doctype html><html><head><title>Sorry</title></head><body><h1>We will be back soon</h1></body></html>"
    return answering(Answer(status, page, {"Content-Type": "text/html; charset=utf-8"}))


def empty(status: int = 200) -> Behaviour:
    """No body at all."""
    return answering(Answer(status))


class Held:
    """The good answer (or another), but only when the test lets it go."""

    def __init__(self, answer: Answer | None = None) -> None:
        self._answer = answer
        self._go = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def release(self) -> None:
        """Let it go, from any thread, before or after the call has come."""
        if self._loop is None:
            self._go.set()
        else:
            self._loop.call_soon_threadsafe(self._go.set)

    @property
    def has_begun(self) -> bool:
        """Whether the call has come."""
        return self._loop is not None

    async def __call__(self, exchange: Exchange) -> None:
        self._loop = asyncio.get_running_loop()
        await self._go.wait()
        await exchange.send(self._answer or exchange.good())


def taking(seconds: float) -> Behaviour:
    """A good answer after a while."""

    async def answer(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await exchange.send(exchange.good())

    return answer


async def hang(exchange: Exchange) -> None:
    """No answer, for as long as the client waits."""
    await exchange.client_gone()


async def reset(exchange: Exchange) -> None:
    """The connection is reset before any answer."""
    _reset(exchange.writer)


async def reset_midway(exchange: Exchange) -> None:
    """The connection is reset when half of the good answer's body has gone."""
    await _send_half(exchange)
    _reset(exchange.writer)


async def truncated(exchange: Exchange) -> None:
    """The connection ends in order, but half of the body that was announced is missing."""
    await _send_half(exchange)
    exchange.writer.close()


def drip(seconds: float = 0.05) -> Behaviour:
    """The good answer byte by byte with pauses, but for the last one: it is never whole, however long one waits."""

    async def behave(exchange: Exchange) -> None:
        answer = exchange.good()
        exchange.writer.write(head_of(answer, len(answer.body)))
        gone = asyncio.ensure_future(exchange.client_gone())
        try:
            for value in answer.body[:-1]:
                if gone.done():
                    return
                exchange.writer.write(bytes([value]))
                await exchange.writer.drain()
                # The pause is the behaviour itself, nothing waits for it.
                await asyncio.sleep(seconds)
            await gone
        except ConnectionError:
            await gone  # it counts the hang-up that a write has met first
        finally:
            gone.cancel()

    return behave


def flood(
    size_bytes: int, *, head: bytes = b"", tail: bytes = b"", content_type: str = "application/json"
) -> Behaviour:
    """A body of this size between head and tail, made as it goes; `A` is right in base64 and in a JSON string."""

    async def behave(exchange: Exchange) -> None:
        answer = Answer(200, headers={"Content-Type": content_type})
        exchange.writer.write(head_of(answer, len(head) + size_bytes + len(tail)) + head)
        async for chunk in _filler(size_bytes):
            exchange.writer.write(chunk)
            await exchange.writer.drain()
        exchange.writer.write(tail)
        await exchange.writer.drain()

    return behave


def head_of(answer: Answer, body_bytes: int) -> bytes:
    """Status line and headers."""
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {answer.status} {phrase}", f"Content-Length: {body_bytes}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


async def _filler(size_bytes: int) -> AsyncIterator[bytes]:
    chunk = b"A" * 1024 * 1024
    for start in range(0, size_bytes, len(chunk)):
        yield chunk[: size_bytes - start]


async def _send_half(exchange: Exchange) -> None:
    answer = exchange.good()
    exchange.writer.write(head_of(answer, len(answer.body)) + answer.body[: len(answer.body) // 2])
    await exchange.writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    # A linger of zero seconds makes the closing of the socket a reset instead of an orderly end.
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _read_request(reader: asyncio.StreamReader) -> Received | None:
    """The next request of a connection, None where the client is done."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, target, _version = first.split(" ", 2)
    headers: dict[str, str] = {}
    for name, _, value in (line.partition(":") for line in lines):
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value  # RFC 9110, section 5.3
    parts = urlsplit(target)
    query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    body = await _read_body(reader, headers)
    return Received(method=method, path=parts.path, query=query, headers=headers, body=body)


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if "chunked" not in headers.get("transfer-encoding", ""):
        length = int(headers.get("content-length", "0"))
        assert length <= MAX_BODY_BYTES
        return await reader.readexactly(length)
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        assert len(body) + size <= MAX_BODY_BYTES
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return bytes(body)
