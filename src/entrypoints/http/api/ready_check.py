"""`POST /api/ready-check`: every active slot is tried, and what is found is told line by line as it is found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
from litestar import Request, post
from litestar.types import ASGIApp, Receive, Scope, Send

from ....core.domain.accounts import Permission
from ....core.domain.slot import Slot
from ...diagnostics.ready_check_report import Line, ReadyCheckStream
from ..dependencies import HttpServices
from ..protocol.disconnect import hang_up

HEARTBEAT_SECONDS = 15.0
"""How often an empty line is sent while nothing is found, so that proxies know that the connection lives."""

_HEADERS = [
    (b"content-type", b"application/x-ndjson"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


@post("/api/ready-check", opt={"access": Permission.SLOTS_WRITE})
async def ready_check(request: Request[Any, Any, Any]) -> ASGIApp:
    """Begin a check and tell of it to its end, or until the client hangs up."""
    services: HttpServices = request.app.state.services
    services.ready_check.require_idle()
    return _Stream(services.ready_check, await services.ready_check.slots())


class _Stream:
    """The answer. A client that hangs up ends the check."""

    def __init__(self, report: ReadyCheckStream, slots: Sequence[Slot]) -> None:
        self._report = report
        self._slots = slots

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._report.lines(self._slots) as lines:
            await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS]})
            telling = asyncio.ensure_future(_tell(lines, send))
            hanging_up = asyncio.ensure_future(hang_up(receive))
            try:
                await asyncio.wait({telling, hanging_up}, return_when=asyncio.FIRST_COMPLETED)
                if telling.done():
                    telling.result()
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                for task in (telling, hanging_up):
                    task.cancel()
                await asyncio.gather(telling, hanging_up, return_exceptions=True)


async def _tell(lines: AsyncIterator[Line], send: Send) -> None:
    following = asyncio.ensure_future(anext(lines, None))
    try:
        while True:
            done, _ = await asyncio.wait({following}, timeout=HEARTBEAT_SECONDS)
            if not done:
                await _write(send, b"\n")
                continue
            line = following.result()
            if line is None:
                return
            await _write(send, msgspec.json.encode(line) + b"\n")
            following = asyncio.ensure_future(anext(lines, None))
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def _write(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})
