"""One HTTP request over a bare connection, sent as slowly and left as early as the harness likes."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Mapping

import msgspec

from tests.support.chaos.pace import pause
from tests.support.service import PASSWORD

HOST = "127.0.0.1"
_PIECES = 8


class Reply(msgspec.Struct, frozen=True):
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Refused(Exception):
    """No connection was made."""


class Broken(Exception):
    """The connection ended before a whole answer."""


class Manner(msgspec.Struct, frozen=True):
    """How a client sends: over how many seconds, and how long after the whole request it hangs up."""

    sending_seconds: float = 0.0
    leaves_after: float | None = None


PROMPT = Manner()


class HungUp(Exception):
    """The client itself left before the answer."""


async def send_photo(
    port: int,
    slot_id: str,
    photo: bytes,
    *,
    key: str,
    fields: Mapping[str, str],
    manner: Manner = PROMPT,
    patience: float,
) -> Reply:
    """POST a photo as a camera does. Raises Refused, Broken, HungUp; TimeoutError when `patience` seconds are over."""
    boundary = secrets.token_hex(12)
    body = _form(boundary, {"password": PASSWORD, **fields}, photo)
    head = (
        f"POST /ingest/{slot_id} HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: multipart/form-data; boundary={boundary}\r\nIdempotency-Key: {key}\r\nConnection: close\r\n\r\n"
    )
    try:
        async with asyncio.timeout(patience):
            try:
                reader, writer = await asyncio.open_connection(HOST, port)
            except OSError as error:
                raise Refused(str(error)) from error
            try:
                return await _exchange(reader, writer, head.encode() + body, manner)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except asyncio.IncompleteReadError as error:
        raise Broken(f"{len(error.partial)} bytes, then the end") from error
    except TimeoutError:
        raise
    except OSError as error:
        raise Broken(str(error)) from error


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, manner: Manner
) -> Reply:
    size = -(-len(request) // _PIECES) if manner.sending_seconds else len(request)
    for start in range(0, len(request), size):
        if start:
            await pause(manner.sending_seconds / _PIECES)
        writer.write(request[start : start + size])
        await writer.drain()
    if manner.leaves_after is None:
        return await _reply(reader)
    try:
        async with asyncio.timeout(manner.leaves_after):
            return await _reply(reader)
    except TimeoutError:
        raise HungUp from None


async def _reply(reader: asyncio.StreamReader) -> Reply:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise Broken("a head without end") from error
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Reply(int(first.split(" ")[1]), headers, body)


def _form(boundary: str, fields: Mapping[str, str], photo: bytes) -> bytes:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="fileToUpload"; filename="photo.jpg"\r\n'
    parts += [head.encode(), b"Content-Type: image/jpeg\r\n\r\n", photo, f"\r\n--{boundary}--\r\n".encode()]
    return b"".join(parts)
