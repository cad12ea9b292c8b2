"""`GET /api/events`: job events and queue depths as Server-Sent Events (WHATWG HTML §9.2)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, get
from litestar.types import ASGIApp, Receive, Scope, Send

from ....core.domain.accounts import Permission
from ....core.domain.errors import InvalidRequest, ShuttingDown
from ....core.domain.job import JobEvent
from ....core.ports.clock import Clock
from ....core.services.auth.admins import AdminService
from ....core.services.jobs.event_stream import EventBatch, EventStream, StreamClosed, Subscriber, TooSlow
from ....core.services.support.concurrency import race
from ...config import Settings
from ..auth.access import identity_of, may_continue
from ..protocol.disconnect import cut, hung_up
from ..protocol.query import read_query
from ..shutdown import SHUTTING_DOWN

_log = logging.getLogger("photochanger.http")

HEARTBEAT_SECONDS = 15.0
"""Interval of comments while nothing happens, so that proxies and clients see that the connection is alive."""

SEND_SECONDS = 20.0
"""How long a client may delay a message before its connection is cut."""

CHECK_SECONDS = 1.0
"""Interval of checks whether the client's token is still valid: it may have been signed out."""

_RECONNECT_MS = 2000
_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class EventQuery(msgspec.Struct, frozen=True):
    """Which events to send: those of one slot, or all."""

    slot_id: str | None = None


@get("/api/events", opt={"access": Permission.JOBS_READ, "in_background": True})
@inject
async def events(
    request: Request[Any, Any, Any],
    stream: FromDishka[EventStream],
    admins: FromDishka[AdminService],
    config: FromDishka[Settings],
    clock: FromDishka[Clock],
) -> ASGIApp:
    """Send events until the client disconnects, its token becomes invalid, or the service shuts down."""
    slot_id = read_query(request, EventQuery).slot_id
    after = _last_event_id(request)
    allowed = partial(
        may_continue, request, Permission.JOBS_READ, admins=admins, public_base_url=config.public_base_url
    )
    token = _Token(valid_until=identity_of(request).valid_until, allowed=allowed, clock=clock)
    return _EventResponse(stream, slot_id=slot_id, after=after, token=token, clock=clock)


def _last_event_id(request: Request[Any, Any, Any]) -> int | None:
    given = request.headers.get("last-event-id", "")
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= 18):
        raise InvalidRequest("The Last-Event-ID is not one of this service.")
    return int(given)


class _Token:
    """The validity of the client's token while the response lasts."""

    def __init__(self, *, valid_until: datetime, allowed: Callable[[], Awaitable[bool]], clock: Clock) -> None:
        self._valid_until = valid_until
        self._allowed = allowed
        self._clock = clock
        self._checked_at = clock.monotonic()

    @property
    def seconds_left(self) -> float:
        return (self._valid_until - self._clock.now()).total_seconds()

    async def is_valid(self) -> bool:
        """Whether the token is still valid, checked every CHECK_SECONDS."""
        if self._clock.monotonic() - self._checked_at < timedelta(seconds=CHECK_SECONDS):
            return True
        self._checked_at = self._clock.monotonic()
        return await self._allowed()


class _EventResponse:
    """The response: an ASGI app that runs as long as the client stays connected."""

    def __init__(
        self, stream: EventStream, *, slot_id: str | None, after: int | None, token: _Token, clock: Clock
    ) -> None:
        self._stream = stream
        self._slot_id = slot_id
        self._after = after
        self._token = token
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with self._stream.listen(after=self._after) as subscriber:
                await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS]})
                if await self._is_left(subscriber, scope, receive, send):
                    await cut(scope, receive)
        except StreamClosed as error:  # before the response began; later `_send_all` ends it
            raise ShuttingDown(SHUTTING_DOWN) from error

    async def _is_left(self, subscriber: Subscriber, scope: Scope, receive: Receive, send: Send) -> bool:
        """Send events to the end. True where the client has gone or does not read: nothing gets through to it."""
        try:
            ended, _ = await race(self._send_events(subscriber, send), hung_up(scope, receive))
            if ended == 1:
                return True
        except StreamClosed:
            pass  # shutdown, which is not the client's fault
        except (TooSlow, TimeoutError):
            _log.info("event stream client too slow; disconnected")
            return True
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return False

    async def _send_events(self, subscriber: Subscriber, send: Send) -> None:
        await _write(send, f"retry: {_RECONNECT_MS}\n\n")
        written_at = self._clock.monotonic()
        while (seconds_left := self._token.seconds_left) > 0:
            batch: EventBatch | None = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(CHECK_SECONDS, HEARTBEAT_SECONDS, seconds_left)):
                    batch = await subscriber.next()
            if not await self._token.is_valid():
                return
            if batch is not None:
                await _write(send, _text(batch, self._slot_id))
            elif self._clock.monotonic() - written_at >= timedelta(seconds=HEARTBEAT_SECONDS):
                await _write(send, ": still here\n\n")
            else:
                continue
            written_at = self._clock.monotonic()


async def _write(send: Send, text: str) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


def _text(batch: EventBatch, slot_id: str | None) -> str:
    """The messages of the stream. The id belongs to the last one: before it, something may be missing."""
    messages = [("job", _job_body(event)) for event in batch.events if slot_id in (None, event.slot_id)]
    if batch.reset:
        messages.append(("reset", {}))
    if batch.depth is not None:
        depth = batch.depth
        body = {"pending": depth.pending, "processing": depth.processing, "active": depth.active}
        messages.append(("queue", body | {"by_provider": depth.by_provider}))
    lines = "".join(f"event: {kind}\ndata: {msgspec.json.encode(body).decode()}\n\n" for kind, body in messages)
    # An id without data dispatches no event but is remembered (WHATWG HTML §9.2.6).
    return f"{lines[:-1]}id: {batch.resume}\n\n" if lines else f"id: {batch.resume}\n\n"


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
