"""Multipart forms, read part by part while they arrive: the file of a form goes straight to where it is kept.

The parts may come in any order. What can be refused early is refused early; nothing of a refused form stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, Protocol, TypeVar

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header

from ....core.domain.errors import (
    InvalidMultipart,
    MissingField,
    PayloadTooLarge,
    UndecodableImage,
    UploadInterrupted,
)
from ....core.domain.ingest_request import FILE_FIELDS

FORM_OVERHEAD_BYTES = 1024 * 1024
"""How much larger than its file a form may be."""

_MAX_FIELDS = 64
MAX_FIELD_CHARS = 8 * 1024
_IDLE_SECONDS = 30.0
_SLACK_SECONDS = 60.0
_SLOWEST_BYTES_PER_SECOND = 16 * 1024
"""What the slowest line carries; an upload that falls further behind it than the slack is given up."""

T = TypeVar("T")

Receive = Callable[[], Awaitable[Any]]
Events = AsyncGenerator[MultipartSegment | bytes | None, None]


class ClientGone(Exception):
    """The client hung up while it was sending; there is nobody to answer."""


class FormReader(Protocol[T]):
    """What is done with a form's parts."""

    async def field(self, name: str, text: str) -> None:
        """Take a text field, or refuse the form."""
        ...

    async def file(self, data: AsyncIterator[bytes], filename: str | None) -> T:
        """Keep the file while it arrives, or refuse it."""
        ...

    async def discard(self, kept: T) -> None:
        """Remove a file that was kept before the form was refused."""
        ...

    def end(self) -> None:
        """Refuse a form in which something is missing."""
        ...


class FormObserver(Protocol):
    """Whoever wants to know what a form holds, also one that is refused."""

    def field(self, name: str, text: str) -> None:
        """A text field was read; it may still be refused."""
        ...

    def file(self, name: str, filename: str | None, content_type: str | None) -> None:
        """A file begins, in whatever field."""
        ...

    def chunk(self, data: bytes) -> None:
        """More of the file was read."""
        ...

    def complete(self) -> None:
        """The form was read to its end."""
        ...


class _Nobody:
    """The FormObserver of forms that nobody watches."""

    def field(self, name: str, text: str) -> None:
        """Nobody is told."""

    def file(self, name: str, filename: str | None, content_type: str | None) -> None:
        """Nobody is told."""

    def chunk(self, data: bytes) -> None:
        """Nobody is told."""

    def complete(self) -> None:
        """Nobody is told."""


NULL_OBSERVER: FormObserver = _Nobody()


class Chunks:
    """The chunks of a request's body; UploadInterrupted where they stop coming or fall too far behind, ClientGone."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._received = 0
        self._more = True
        self._give_up_at = asyncio.get_running_loop().time() + _SLACK_SECONDS

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._more:
            raise StopAsyncIteration
        loop = asyncio.get_running_loop()
        silent_at = loop.time() + _IDLE_SECONDS
        give_up_at = self._give_up_at + self._received / _SLOWEST_BYTES_PER_SECOND
        try:
            async with asyncio.timeout_at(min(silent_at, give_up_at)):
                message = await self._receive()
        except TimeoutError:
            if give_up_at < silent_at:
                raise UploadInterrupted("The request arrives too slowly to be waited for.") from None
            raise UploadInterrupted(
                f"Nothing was received for {_IDLE_SECONDS:g} s; the request is not whole."
            ) from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        self._more = message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        self._received += len(chunk)
        return chunk


async def read_form(
    receive: Receive,
    content_type: str,
    *,
    max_bytes: int,
    reader: FormReader[T],
    watch: FormObserver = NULL_OBSERVER,
    max_field_chars: int = MAX_FIELD_CHARS,
) -> T:
    """The form's file as `reader` kept it.

    Raises InvalidMultipart, MissingField, PayloadTooLarge, UploadInterrupted, ClientGone, and what the reader raises.
    """
    events = _events(receive, _boundary(content_type), max_bytes)
    kept: T | None = None
    try:
        async for segment in events:
            assert isinstance(segment, MultipartSegment)
            name = segment.name or ""
            if name in FILE_FIELDS or segment.filename is not None:
                watch.file(name, segment.filename, segment.content_type)
            if name in FILE_FIELDS:
                if kept is not None:
                    raise InvalidMultipart("The form has more than one picture.")
                kept = await _file(events, segment, reader, watch)
            elif segment.filename is not None:
                raise MissingField(
                    FILE_FIELDS[0], f"The picture is in a field {name[:64]!r}, not in {FILE_FIELDS[0]!r}."
                )
            else:
                text = await _text(events, name, max_field_chars)
                watch.field(name, text)
                await reader.field(name, text)
        watch.complete()
        if kept is None:
            raise MissingField(FILE_FIELDS[0], f"The form has no picture in a field {FILE_FIELDS[0]!r}.")
        reader.end()
    except BaseException:
        if kept is not None:
            await reader.discard(kept)
        raise
    finally:
        await events.aclose()
    return kept


async def _file(events: Events, segment: MultipartSegment, reader: FormReader[T], watch: FormObserver) -> T:
    try:
        return await reader.file(_watched(_payload(events), watch), segment.filename)
    except UndecodableImage:
        if not segment.filename and segment.complete and not segment.size:
            raise MissingField(segment.name or "", "No picture was chosen: the field is empty.") from None
        raise


async def _payload(events: Events) -> AsyncIterator[bytes]:
    """The bytes of the current part, to its end."""
    async for event in events:
        if event is None:
            return
        assert isinstance(event, bytes)
        yield event


async def _watched(data: AsyncIterator[bytes], watch: FormObserver) -> AsyncIterator[bytes]:
    async for chunk in data:
        watch.chunk(chunk)
        yield chunk


async def _text(events: Events, name: str, max_chars: int) -> str:
    data = b""
    async for chunk in _payload(events):
        data += chunk
        if len(data) > 4 * max_chars:
            break
    text = data.decode("utf-8", "replace")
    if len(text) > max_chars:
        raise InvalidMultipart(f"The field {name[:64]!r} is longer than {max_chars} characters.")
    if "\0" in text:
        raise InvalidMultipart(f"The field {name[:64]!r} holds a NUL character.")
    return text


async def _events(receive: Receive, boundary: str, max_bytes: int) -> Events:
    """What the parser finds, in order: the head of a part, its bytes, None at its end.

    The body is read to its end, also past the last boundary: only then can the connection serve another request.
    """
    received = 0
    try:
        with PushMultipartParser(boundary, max_segment_count=_MAX_FIELDS) as parser:
            async for chunk in Chunks(receive):
                received += len(chunk)
                if received > max_bytes:
                    raise PayloadTooLarge("The request is larger than is accepted.")
                if not chunk or parser.closed:
                    continue
                for event in parser.parse(chunk):
                    yield bytes(event) if isinstance(event, bytearray | memoryview) else event
    except ParserLimitReached as error:
        raise InvalidMultipart(f"The form has more or longer parts than are accepted: {error}.") from error
    except MultipartError as error:
        raise InvalidMultipart(f"The body is not a well-formed multipart form: {error}.") from error


def _boundary(content_type: str) -> str:
    kind, options = parse_options_header(content_type)
    boundary: str = options.get("boundary", "")
    if kind.lower() != "multipart/form-data":
        raise InvalidMultipart("The request has to be a multipart/form-data form.")
    if not boundary:
        raise InvalidMultipart("The Content-Type header names no boundary.")
    return boundary
