"""The outermost layer: the client behind proxies, the requested host, request IDs, security headers, tracing, errors
that nothing else has answered, and draining after early responses.

A camera often sends its whole request before it reads. After a response that is sent before the body was read, the body
is therefore read and dropped for a while: closing a connection with unread bytes resets it, and the client would lose
the response.
"""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from typing import Any, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from ...core.domain.trace_context import trace_context, trace_id_of
from ...core.ports.telemetry import Span, Telemetry
from ...core.services.support.null_telemetry import NULL_TELEMETRY
from ..log_limit import BY_STRANGER
from ..logging_setup import correlated
from .extensions import connection_of
from .protocol.forwarded import TrustedProxies, apply_forwarded
from .protocol.hosts import AllowedHosts
from .protocol.problems import problem, problem_response
from .protocol.security_headers import security_headers
from .shutdown import RETRY_AFTER_SECONDS, SHUTTING_DOWN, Shutdown

_log = logging.getLogger("photochanger.http")

_WELL_FORMED = re.compile(rb"[A-Za-z0-9._-]{1,128}\Z")
_DRAIN_SECONDS = 5.0

_UNTRACED = frozenset({"/healthz", "/readyz", "/metrics"})
"""Requested every few seconds by machines: their traces would bury the others."""


class RequestMiddleware:
    """Wraps the app. `drain_bytes`: how much of a body is read and dropped after an early response."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        drain_bytes: int,
        telemetry: Telemetry = NULL_TELEMETRY,
        proxies: TrustedProxies | None = None,
        hosts: AllowedHosts | None = None,
        shutdown: Shutdown | None = None,
    ) -> None:
        self._app = app
        self._shutdown = shutdown or Shutdown()
        self._telemetry = telemetry
        self._drain_bytes = drain_bytes
        self._proxies = proxies or TrustedProxies()
        self._hosts = hosts or AllowedHosts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        scope = cast(HTTPScope, apply_forwarded(scope, self._proxies))
        given = _header(scope, b"x-request-id")
        current = given if given is not None and _WELL_FORMED.match(given) else uuid.uuid4().hex.encode()
        telemetry = NULL_TELEMETRY if scope["path"] in _UNTRACED else self._telemetry
        response = _Response(scope, receive, send, current, self._drain_bytes)
        parent = trace_context((_header(scope, b"traceparent") or b"").decode("latin-1"))
        with (
            telemetry.span("request", {"method": scope["method"]}, parent=parent) as span,
            correlated(request_id=current.decode(), trace_id=trace_id_of(telemetry.trace())),
        ):
            try:
                await self._answer(scope, response)
            finally:
                _describe(span, scope, response.status)

    async def _answer(self, scope: Any, response: _Response) -> None:
        """Answer by the app, or by a problem where the app does not: no server may add an answer of its own."""
        if self._shutdown.begun:
            await response.refuse("shutting_down", SHUTTING_DOWN, RETRY_AFTER_SECONDS)
            return
        if (refusal := self._hosts.refusal(scope)) is not None:
            await response.refuse("invalid_request", refusal)
            return
        try:
            await self._app(scope, response.receive, response.send)
        except asyncio.CancelledError:  # the server does not wait longer for its end
            await response.refuse("shutting_down", SHUTTING_DOWN, RETRY_AFTER_SECONDS)
            raise
        except Exception:
            if response.status is not None:
                raise
            _log.exception("%s failed", scope["method"], extra={BY_STRANGER: True})
        if response.status is None and not response.is_disconnected:
            await response.refuse("internal_error", "Internal error; see the server log (X-Request-Id).")


class _Response:
    def __init__(self, scope: Scope, receive: Receive, send: Send, current: bytes, drain_bytes: int) -> None:
        self._receive = receive
        self._send = send
        self._request_id = current
        self._drain_bytes = drain_bytes
        self._unread = _expects_body(scope)
        self._scope = scope
        self.status: int | None = None
        """The status of the response, once it is sent."""

        self.is_disconnected = False
        """The app has seen that the client disconnected."""

        self.ends_connection = False
        self._started_reading = False
        self._waits_for_continue = (_header(scope, b"expect") or b"").lower() == b"100-continue"

    async def receive(self) -> Any:
        self._started_reading = True
        message: Any = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._unread = False
        if message["type"] == "http.disconnect":
            self.is_disconnected = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            await self._send(self._start(message))
        elif message["type"] == "http.response.body" and not message.get("more_body", False) and self._must_drain:
            await self._send({**message, "more_body": True})
            await self._drain()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await self._send(message)

    async def refuse(self, code: str, detail: str, retry_after: int | None = None) -> None:
        """Send a problem, if no response has begun."""
        if self.status is None:
            self.ends_connection = code == "shutting_down"
            body = problem(code, detail, retry_after=retry_after)
            await problem_response(body)(self._scope, self.receive, self.send)

    def _start(self, message: Any) -> Any:
        given = {name.lower(): value for name, value in message["headers"]}
        headers = [*message["headers"], (b"x-request-id", self._request_id)]
        headers += security_headers(
            self._scope["path"].removeprefix(self._scope.get("root_path", "")),
            secure=self._scope["scheme"] == "https",
            page=given.get(b"content-type", b"").startswith(b"text/html"),
            given=given,
        )
        if self._unread or self.ends_connection:
            headers.append((b"connection", b"close"))
        return {**message, "headers": headers}

    @property
    def _must_drain(self) -> bool:
        return self._unread and (self._started_reading or not self._waits_for_continue)

    async def _drain(self) -> None:
        connection = connection_of(self._scope)
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                if connection is not None:
                    await connection.discard(self._drain_bytes)
                    return
                read = 0
                while self._unread and read < self._drain_bytes:
                    read += len((await self.receive()).get("body", b""))
        except TimeoutError:
            pass  # the client keeps the connection open without sending; it has its response


def _describe(span: Span, scope: Any, status: int | None) -> None:
    """Describe the request at its end. Of its URL only the template: a URL may contain the token of a job."""
    if template := scope.get("path_template"):
        span.rename(f"{scope['method']} {template}")
        span.note({"route": template})
    if status is not None:
        span.note({"status": status})
        if status >= 500:
            span.fail(f"status {status}")


def _header(scope: Any, name: bytes) -> bytes | None:
    return next((value for header, value in scope["headers"] if header == name), None)


def _expects_body(scope: Any) -> bool:
    if _header(scope, b"transfer-encoding") is not None:
        return True
    length = _header(scope, b"content-length")
    return length is not None and length.strip() not in (b"", b"0")
