"""`POST /api/ready-check`: test every active slot; results are sent line by line as they are known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, post
from litestar.types import ASGIApp, Receive, Scope, Send

from ....core.domain.accounts import Actor, Permission
from ....core.domain.slots.slot import Slot
from ....core.services.support.concurrency import TaskSet, race
from ...diagnostics.ready_check_report import Line, ReadyCheckStream, line_json
from ..auth.access import actor_of
from ..protocol.disconnect import cut, hung_up

HEARTBEAT_SECONDS = 15.0
"""Interval of empty lines while nothing is found, so that proxies see that the connection is alive."""

_HEADERS = [
    (b"content-type", b"application/x-ndjson"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


@post("/api/ready-check", opt={"access": Permission.SLOTS_WRITE})
@inject
async def ready_check(request: Request[Any, Any, Any], stream: FromDishka[ReadyCheckStream]) -> ASGIApp:
    """Start a check and report on it to its end, or until the client disconnects."""
    stream.require_idle()
    return _CheckResponse(stream, await stream.slots(), by=actor_of(request))


class _CheckResponse:
    """The response. A client that disconnects ends the check."""

    def __init__(self, stream: ReadyCheckStream, slots: Sequence[Slot], *, by: Actor) -> None:
        self._stream = stream
        self._slots = slots
        self._by = by

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._stream.lines(self._slots, by=self._by) as lines:
            await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS]})
            ended, _ = await race(_send_lines(lines, send), hung_up(scope, receive))
            if ended == 1:
                await cut(scope, receive)
            else:
                await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_lines(lines: AsyncIterator[Line], send: Send) -> None:
    tasks = TaskSet()
    try:
        while True:
            following = tasks.start(_next_line(lines), name="next line of a ready check")
            while not (await asyncio.wait({following}, timeout=HEARTBEAT_SECONDS))[0]:
                await _write(send, b"\n")
            line = following.result()
            if line is None:
                return
            await _write(send, line_json(line) + b"\n")
    finally:
        await tasks.cancel()


async def _next_line(lines: AsyncIterator[Line]) -> Line | None:
    return await anext(lines, None)


async def _write(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})
