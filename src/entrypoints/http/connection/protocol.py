"""One connection: uvicorn's HTTP/1.1 with bounds, timeouts, half-closing clients and ignored upgrade offers."""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from ....core.domain.connections import ConnectionEnd
from ..extensions import CONNECTION, RECEIVED, ClientConnection
from ..protocol.problems import Problem, problem
from .answers import closing_answer
from .discard import Discarding
from .places import Places
from .send_progress import SendProgress

_RETRY_AFTER_SECONDS = 5

_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
"""The headers that say how a body is delimited."""

_TOO_MANY = {
    ConnectionEnd.TOO_MANY: "The service has too many connections. Retry later.",
    ConnectionEnd.TOO_MANY_OF_ADDRESS: "This address has too many connections. Retry later.",
}


class _Refused(Exception):
    """A request that is not accepted, with what is wrong; raised inside the parser."""


class BoundedProtocol(HttpToolsProtocol):
    """Differs from uvicorn's protocol in what a client can do to it.

    - A connection needs a place (`Places`). The head of every request, the pause between requests and the client's
      reading have timeouts; the size of a head, the number of its headers and of pipelined requests have bounds.
    - A client that shuts down its sending side after a whole request gets its response.
    - An offer to upgrade the protocol is ignored, as RFC 9110 §7.8 permits: the request is served as HTTP/1.1.
    - What the server answers itself is a problem like those of the app.
    """

    transport: asyncio.Transport

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        places: Places,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._places = places
        self._limits = places.limits
        self._deadline: float | None = None
        """When the connection is closed unless a request has arrived."""
        self._in_head = False
        self._received_at = 0.0
        self._heads = 0
        """Heads that have begun."""
        self._head_bytes = 0
        """Received bytes of a head that is not complete."""
        self._parsed_bytes = 0
        """Parsed bytes of a head."""
        self._running: RequestResponseCycle | None = None
        """The request that is being answered; `cycle` is the newest one."""
        self._is_replay = False
        self._is_deaf = False
        """Nothing more is read: what follows the last whole request is not HTTP, or nothing can follow."""
        self._refused: str | None = None
        self._body_bytes = 0
        self._discarded: asyncio.Event | None = None
        self._discards_until = 0

    # The transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._client = ClientConnection(transport, self._discard)
        self._progress = SendProgress(
            transport, period=self._limits.send_timeout.total_seconds(), least=self._limits.send_bytes
        )
        now = self.loop.time()
        refused = self._places.enter(self, self.client[0] if self.client else "", now)
        if refused is not None:
            self._close_with(problem("too_many_connections", _TOO_MANY[refused], retry_after=_RETRY_AFTER_SECONDS))
            return
        self._deadline = now + self._limits.head_timeout.total_seconds()

    def connection_lost(self, exc: Exception | None) -> None:
        self._places.leave(self)
        self._deadline = None
        if self._discarded is not None:
            self._discarded.set()
        running = self._running
        if running is not None and not running.response_complete:  # not always the newest, which uvicorn looks after
            running.disconnected = True
            running.message_event.set()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection while whole requests are to be answered; the client may still read."""
        if not self._finish_pending():
            return False
        self._client.note_half_close()
        return True

    def data_received(self, data: bytes) -> None:
        was_in_head, heads = self._in_head, self._heads
        size = len(data)
        while data and not self._is_deaf:
            try:
                data = self._feed(data)
            except httptools.HttpParserError:
                self._refuse(self._refused or "The request is not valid HTTP/1.1.")
        if self._in_head and not self._is_deaf:
            # The start of a head that came behind other data in one packet is not counted: it is not larger than that.
            self._head_bytes = self._head_bytes + size if was_in_head and heads == self._heads else 0
            if self._head_bytes > self._limits.head_bytes:
                self._refuse(self._head_too_large)

    def _feed(self, data: bytes) -> bytes:
        """Parse; return what is left after the head of a request that offers an upgrade."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._go_on_without_upgrade()
            return data[offer.args[0] :]
        return b""

    # What the server does with the connection

    def cut(self) -> None:
        self._deadline = None
        self._is_deaf = True
        self.transport.abort()

    def check(self, now: float) -> None:
        if self._deadline is not None and now >= self._deadline:
            self._expire(now)
        if self._progress.has_stopped(now):
            self._places.ended(ConnectionEnd.SLOW_READER, now)
            self._places.leave(self)
            self.cut()

    def _expire(self, now: float) -> None:
        self._deadline = None
        if self._in_head:
            self._places.ended(ConnectionEnd.NO_REQUEST, now)
            seconds = self._limits.head_timeout.total_seconds()
            self._close_with(problem("upload_interrupted", f"The request's head did not arrive within {seconds:g} s."))
            return
        if self.cycle is None:
            self._places.ended(ConnectionEnd.NO_REQUEST, now)
        self.transport.close()

    # The parser

    def on_message_begin(self) -> None:
        if self._is_replay:
            return
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        self._received_at = self.loop.time()
        self._heads += 1
        self._parsed_bytes = 0
        if self._running is None and self.cycle is not None:
            self._deadline = self.loop.time() + self._limits.head_timeout.total_seconds()

    def on_url(self, url: bytes) -> None:
        if not self._is_replay:
            self._count(len(url))
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_replay:
            return
        self._count(len(name) + len(value) + 4)
        if len(self.headers) >= self._limits.headers:
            self._raise(f"The request has more than {self._limits.headers} headers.")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._is_replay:
            self._is_replay = False
            return
        self._in_head, self._body_bytes = False, 0
        if len(self.pipeline) >= self._limits.pipelined:
            self._raise("Too many requests were sent without waiting for responses.")
        scope: Any = self.scope
        scope.setdefault("extensions", {}).update({CONNECTION: self._client, RECEIVED: self._received_at})
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._discarded is None:
            super().on_body(body)
        elif self._body_bytes >= self._discards_until:
            self._discarded.set()

    def on_message_complete(self) -> None:
        if self._discarded is not None:
            self._discarded.set()
        if not self.parser.should_upgrade():  # the parser ends such a request after its head; `_go_on_without_upgrade`
            super().on_message_complete()

    def _go_on_without_upgrade(self) -> None:
        """Have a new parser read the body of the request whose head offered an upgrade."""
        framing = [(name, value) for name, value in self.headers if name in _FRAMING]
        lines = [b"%s / HTTP/1.1" % self.parser.get_method(), *(b"%s: %s" % header for header in framing)]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._is_replay = True
        self.parser.feed_data(b"\r\n".join(lines) + b"\r\n\r\n")

    def _count(self, size: int) -> None:
        self._parsed_bytes += size
        if self._parsed_bytes > self._limits.head_bytes:
            self._raise(self._head_too_large)

    @property
    def _head_too_large(self) -> str:
        return f"The request's line and headers have more than {self._limits.head_bytes} bytes."

    def _raise(self, detail: str) -> None:
        self._refused = detail
        raise _Refused

    # Requests and responses

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        self._deadline = None
        self._places.works(self)
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        self._running = None
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        timeout = self._limits.head_timeout if self._in_head else self._limits.idle_timeout
        self._deadline = self.loop.time() + timeout.total_seconds()
        self._places.waits(self)

    async def _discard(self, max_bytes: int) -> None:
        """Receive and drop the rest of the newest request; return at its end, that of the connection, or the bound."""
        cycle, newest = self._running, self.cycle
        if cycle is None or cycle is not newest or not cycle.more_body or self._is_deaf:
            return
        cycle.body = bytearray()
        self.flow.resume_reading()
        length = next((value for name, value in self.headers if name == b"content-length"), None)
        if length is None:
            self._discarded, self._discards_until = asyncio.Event(), self._body_bytes + max_bytes
            await self._discarded.wait()
            return
        discarding = Discarding(self, remaining=min(int(length) - self._body_bytes, max_bytes))
        self._is_deaf = True
        self.transport.set_protocol(discarding)
        await discarding.done()

    def _refuse(self, detail: str) -> None:
        """Refuse what arrived; whole requests before it are answered."""
        self._places.ended(ConnectionEnd.BAD_REQUEST, self.loop.time())
        if self._finish_pending():
            return
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self._is_deaf = True
                self.transport.close()
                return
        self._close_with(problem("invalid_request", detail))

    def _finish_pending(self) -> bool:
        """Close after the responses to the requests that arrived whole; False if there are none."""
        newest = self.cycle
        if newest is None or newest.response_complete:
            return False
        if newest.more_body:
            if newest is self._running or self._running is None:
                return False
            self.pipeline.popleft()  # it is behind the others, and will never be whole
            newest = self.cycle = self.pipeline[0][0] if self.pipeline else self._running
        newest.keep_alive = False
        self._is_deaf = True
        return True

    def _close_with(self, body: Problem) -> None:
        self._is_deaf = True
        self._deadline = None
        self.transport.write(closing_answer(body, self.server_state.default_headers))
        self.transport.close()
