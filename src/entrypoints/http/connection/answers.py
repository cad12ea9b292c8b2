"""Responses of the server itself, where no request reached the app: problems like those of the app."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

import msgspec

from ..protocol.problems import PROBLEM, Problem
from ..protocol.security_headers import security_headers


def closing_answer(body: Problem, default_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A whole HTTP/1.1 response, after which the connection is closed."""
    content = msgspec.json.encode(body)
    headers = [
        *default_headers,
        (b"content-type", PROBLEM.encode()),
        (b"content-length", b"%d" % len(content)),
        (b"cache-control", b"no-store"),
        (b"x-request-id", uuid.uuid4().hex.encode()),
        *security_headers(),
        (b"connection", b"close"),
    ]
    if body.retry_after is not None:
        headers.append((b"retry-after", b"%d" % body.retry_after))
    lines = [b"HTTP/1.1 %d %s" % (body.status, body.title.encode()), *(b"%s: %s" % header for header in headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + content
