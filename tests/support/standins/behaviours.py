"""How any service may answer a call, well or badly: what a test scripts a stand-in with."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from .messages import Answer, Received, head_of

if TYPE_CHECKING:
    from .server import StandInServer


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


def bad_json(status: int = 200) -> Behaviour:
    """The start of a JSON document, whole as a body."""
    return answering(Answer(status, b'{"candidates": [{"content": ', {"Content-Type": "application/json"}))


def limited(retry_after: str | None = None) -> Behaviour:
    """429, with or without a Retry-After header, and no words."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return answering(Answer(429, b"{}", {"Content-Type": "application/json", **headers}))


def empty(status: int = 200) -> Behaviour:
    """No body at all."""
    return answering(Answer(status))


class Held:
    """The good answer (or another), but only when the test lets it go."""

    def __init__(self, answer: Answer | None = None) -> None:
        self._answer = answer
        self._go = asyncio.Event()
        self._is_released = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def release(self) -> None:
        """Let it go, from any thread, before or after the call has come, or while it comes."""
        self._is_released = True  # before the look for a loop, as a call looks for it after it has noted its loop
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._go.set)

    @property
    def has_begun(self) -> bool:
        """Whether the call has come."""
        return self._loop is not None

    async def __call__(self, exchange: Exchange) -> None:
        self._loop = asyncio.get_running_loop()
        if not self._is_released:
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


async def reset_after_acceptance(exchange: Exchange) -> None:
    """The service does the work, which is paid for, and the connection is reset before any of the answer."""
    exchange.good()
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
