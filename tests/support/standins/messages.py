"""Requests and answers as stand-ins see them on the wire."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

MAX_BODY_BYTES = 256 * 1024 * 1024


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came: header names in lower case, the path without its query, the body whole.

    `repeated` are the names of headers that came more than once; `headers` has their values joined by commas.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    repeated: frozenset[str] = frozenset()

    def json(self) -> Any:
        """The body as JSON; ValueError where it is none."""
        return json.loads(self.body)


class Answer(msgspec.Struct, frozen=True):
    """What goes back. Content-Length is added."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = {}


def json_answer(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer whose body is JSON."""
    kind = {"Content-Type": "application/json; charset=UTF-8"}
    return Answer(status, json.dumps(value).encode(), {**kind, **(headers or {})})


def head_of(answer: Answer, body_bytes: int) -> bytes:
    """Status line and headers."""
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {answer.status} {phrase}", f"Content-Length: {body_bytes}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


async def read_request(reader: asyncio.StreamReader) -> Received | None:
    """The next request of a connection, None where the client is done."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, target, _version = first.split(" ", 2)
    fields = [(name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    repeated = frozenset(name for name, count in Counter(name for name, _ in fields).items() if count > 1)
    headers: dict[str, str] = {}
    for name, value in fields:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value  # RFC 9110, section 5.3
    parts = urlsplit(target)
    query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    body = await _read_body(reader, headers)
    return Received(method=method, path=parts.path, query=query, headers=headers, body=body, repeated=repeated)


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if "chunked" not in headers.get("transfer-encoding", ""):
        length = int(headers.get("content-length", "0"))
        assert length <= MAX_BODY_BYTES
        return await reader.readexactly(length)
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        assert len(body) + size <= MAX_BODY_BYTES
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return bytes(body)
