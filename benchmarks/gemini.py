"""A stand-in of the Gemini API that gives the photo back, on bare connections: it takes little of the machine that is
measured."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import msgspec

_READ_AHEAD_BYTES = 4 * 1024 * 1024
"""Received without a pause: each one costs a turn of the loop."""


class _Photo(msgspec.Struct):
    mime_type: str = msgspec.field(name="mimeType")
    data: msgspec.Raw


class _Part(msgspec.Struct):
    photo: _Photo | None = msgspec.field(name="inlineData", default=None)


class _Content(msgspec.Struct):
    parts: list[_Part]


class _Call(msgspec.Struct):
    contents: list[_Content]


_calls = msgspec.json.Decoder(_Call)
_took_ms: list[float] = []


async def run() -> None:
    """Answer calls of generateContent, each with its photo after BENCH_ANSWER_SECONDS (1). `DELETE /took` takes the
    milliseconds of the calls since the last request of that kind, from their last byte to the first of the answer."""
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, limit=_READ_AHEAD_BYTES)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await ended.wait()
        os._exit(0)  # connections that are kept open would be waited for


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
            body = await reader.readexactly(int(length or 0))
            answer = await _answer(body) if b":generatecontent" in head else _taken()
            kind = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(answer)
            writer.writelines([kind, answer])
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _answer(body: bytes) -> bytes:
    started = time.perf_counter()
    photo = next(part.photo for part in _calls.decode(body).contents[0].parts if part.photo is not None)
    if seconds := float(os.environ.get("BENCH_ANSWER_SECONDS", "1")):
        await asyncio.sleep(seconds)
    candidate = {"content": {"role": "model", "parts": [{"inlineData": photo}]}, "finishReason": "STOP", "index": 0}
    answer = msgspec.json.encode({"candidates": [candidate]})
    _took_ms.append((time.perf_counter() - started) * 1000)
    return answer


def _taken() -> bytes:
    taken = msgspec.json.encode(_took_ms)
    _took_ms.clear()
    return taken
