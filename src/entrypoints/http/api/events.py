"""`GET /api/events`: what happens to jobs and how many are live, as Server-Sent Events (WHATWG HTML §9.2)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
from litestar import Request, get
from litestar.types import ASGIApp, Receive, Scope, Send

from ....core.domain.accounts import Permission
from ....core.domain.errors import InvalidRequest, QueueUnavailable
from ....core.domain.job import JobEvent
from ....core.services.jobs.event_stream import (
    EventBatch,
    StreamClosed,
    Subscriber,
    TooSlow,
)
from ..auth.access import identity_of, may_go_on
from ..dependencies import HttpServices
from ..extensions import ABORT
from ..protocol.disconnect import hang_up
from ..protocol.query import read_query

_log = logging.getLogger("photochanger.http")

HEARTBEAT_SECONDS = 15.0
"""How often a comment is sent while nothing happens, so that proxies and listeners know the connection lives."""

SEND_SECONDS = 20.0
"""How long a listener may keep a message from being sent before its connection is cut."""

CHECK_SECONDS = 15.0
"""How often it is looked whether the listener's token still holds: its administrator may have been disabled."""

_RECONNECT_MS = 2000
_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class EventQuery(msgspec.Struct, frozen=True):
    """Which events are told: those of one slot, or all."""

    slot_id: str | None = None


@get("/api/events", opt={"access": Permission.JOBS_READ})
async def events(request: Request[Any, Any, Any]) -> ASGIApp:
    """Tell until the client hangs up, its token holds no more, or the service stops."""
    services: HttpServices = request.app.state.services
    slot_id = read_query(request, EventQuery).slot_id
    after = _last_event_id(request)
    allowed = partial(may_go_on, request, Permission.JOBS_READ)
    return _Stream(services, slot_id=slot_id, after=after, until=identity_of(request).expires_at, allowed=allowed)


def _last_event_id(request: Request[Any, Any, Any]) -> int | None:
    given = request.headers.get("last-event-id", "")
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= 18):
        raise InvalidRequest("The Last-Event-ID is none that was given out here.")
    return int(given)


class _Stream:
    """The answer: an ASGI app that goes on for as long as there is somebody to tell."""

    def __init__(
        self,
        services: HttpServices,
        *,
        slot_id: str | None,
        after: int | None,
        until: datetime,
        allowed: Callable[[], Awaitable[bool]],
    ) -> None:
        self._services = services
        self._slot_id = slot_id
        self._after = after
        self._until = until
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._answer(scope, receive, send)
        except StreamClosed as error:  # before the answer began; later it ends the answer
            raise QueueUnavailable("The service stops.") from error

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._services.events.listen(after=self._after) as listener:
            await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS]})
            telling = asyncio.ensure_future(self._tell(listener, send))
            hanging_up = asyncio.ensure_future(hang_up(receive))
            try:
                await asyncio.wait({telling, hanging_up}, return_when=asyncio.FIRST_COMPLETED)
                if telling.done():
                    await self._end(telling, scope, send)
            finally:
                for task in (telling, hanging_up):
                    task.cancel()
                await asyncio.gather(telling, hanging_up, return_exceptions=True)

    async def _tell(self, listener: Subscriber, send: Send) -> None:
        await _write(send, f"retry: {_RECONNECT_MS}\n\n")
        checked = self._services.clock.monotonic()
        while True:
            left = (self._until - self._services.clock.now()).total_seconds()
            if left <= 0:
                return
            told: EventBatch | None = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(HEARTBEAT_SECONDS, left)):
                    told = await listener.next()
            if self._services.clock.monotonic() - checked >= timedelta(seconds=CHECK_SECONDS):
                if not await self._allowed():
                    return
                checked = self._services.clock.monotonic()
            await _write(send, ": still here\n\n" if told is None else _text(told, self._slot_id))

    async def _end(self, telling: asyncio.Task[None], scope: Any, send: Send) -> None:
        """Close the answer; the connection of a listener that reads nothing is cut, since nothing gets through it."""
        try:
            telling.result()
        except StreamClosed:
            pass  # the service stops, which is nothing that the listener did
        except (TooSlow, TimeoutError):
            _log.info("a listener to events was too slow and is let go")
            abort = scope.get("extensions", {}).get(ABORT)
            if abort is not None:
                abort()
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _write(send: Send, text: str) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


def _text(told: EventBatch, slot_id: str | None) -> str:
    """The messages as the stream carries them. The id goes with the last: before it, something may be missing."""
    messages = [("job", _job_body(event)) for event in told.events if slot_id in (None, event.slot_id)]
    if told.reset:
        messages.append(("reset", {}))
    if told.depth is not None:
        depth = told.depth
        body = {"pending": depth.pending, "processing": depth.processing, "active": depth.active}
        messages.append(("queue", body | {"by_provider": depth.by_provider}))
    lines = "".join(f"event: {kind}\ndata: {msgspec.json.encode(body).decode()}\n\n" for kind, body in messages)
    # An id alone is a message too: without data it tells nothing, but is remembered (WHATWG HTML §9.2.6).
    return f"{lines[:-1]}id: {told.resume}\n\n" if lines else f"id: {told.resume}\n\n"


def _job_body(event: JobEvent) -> dict[str, Any]:
    return {
        "event_id": event.id,
        "job_id": event.entry.job_id,
        "slot_id": event.slot_id,
        "source": event.source,
        "event": event.entry.event,
        "state": event.state,
        "at": event.entry.at,
        "detail": event.entry.detail,
    }
