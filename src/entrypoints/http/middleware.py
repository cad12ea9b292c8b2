"""The outermost layer: request IDs, security headers, tracing, and draining after early responses.

A camera often sends its whole request before it reads. After a response that is sent before the body was read, the body
is therefore read and dropped for a while: closing a connection with unread bytes resets it, and the client would lose
the response.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from ...core.domain.trace_context import trace_context, trace_id_of
from ...core.ports.telemetry import Span, Telemetry
from ...core.services.support.null_telemetry import NULL_TELEMETRY
from ..logging_setup import correlated

_WELL_FORMED = re.compile(rb"[A-Za-z0-9._-]{1,128}\Z")
_DRAIN_SECONDS = 5.0
_SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]
_RESOURCE_POLICY = b"cross-origin-resource-policy"
_EMBEDDABLE = "/public/"
"""The prefix of pictures that pages of other origins may show; they may not show anything else."""

_UNTRACED = frozenset({"/healthz", "/readyz", "/metrics"})
"""Requested every few seconds by machines: their traces would bury the others."""

_DEFAULT_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


class RequestMiddleware:
    """Wraps the app. `drain_bytes`: how much of a body is read and dropped after an early response."""

    def __init__(self, app: ASGIApp, *, drain_bytes: int, telemetry: Telemetry = NULL_TELEMETRY) -> None:
        self._app = app
        self._telemetry = telemetry
        self._drain_bytes = drain_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
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
                await self._app(scope, response.receive, response.send)
            finally:
                _describe(span, scope, response.status)


class _Response:
    def __init__(self, scope: Scope, receive: Receive, send: Send, current: bytes, drain_bytes: int) -> None:
        self._receive = receive
        self._send = send
        self._request_id = current
        self._drain_bytes = drain_bytes
        self._unread = _expects_body(scope)
        root: str = scope.get("root_path", "")
        self._embeddable = scope["path"].removeprefix(root).startswith(_EMBEDDABLE)
        self.status: int | None = None
        """The status of the response, once it is sent."""

        self._started_reading = False
        self._waits_for_continue = (_header(scope, b"expect") or b"").lower() == b"100-continue"

    async def receive(self) -> Any:
        self._started_reading = True
        message: Any = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._unread = False
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

    def _start(self, message: Any) -> Any:
        names = {name.lower() for name, _ in message["headers"]}
        headers = [*message["headers"], (b"x-request-id", self._request_id)]
        headers += [header for header in _SECURITY_HEADERS if header[0] not in names]
        headers.append((_RESOURCE_POLICY, b"cross-origin" if self._embeddable else b"same-origin"))
        if _DEFAULT_POLICY[0] not in names:
            headers.append(_DEFAULT_POLICY)
        if self._unread:
            headers.append((b"connection", b"close"))
        return {**message, "headers": headers}

    @property
    def _must_drain(self) -> bool:
        return self._unread and (self._started_reading or not self._waits_for_continue)

    async def _drain(self) -> None:
        read = 0
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
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
