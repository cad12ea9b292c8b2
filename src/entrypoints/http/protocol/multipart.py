"""Multipart forms, parsed while they arrive: the file of a form is streamed to the store.

The parts may come in any order. A form is refused as early as possible, and a refused form leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Protocol, TypeVar

from litestar import Request
from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header

from ....core.domain.errors import InvalidMultipart, MissingField, UndecodableImage
from ....core.domain.ingest_request import FILE_FIELDS
from .body import BodyChunks

FORM_OVERHEAD_BYTES = 1024 * 1024
"""How much larger than its file a form may be."""

_MAX_FIELDS = 64
MAX_FIELD_CHARS = 8 * 1024

T = TypeVar("T")

Events = AsyncGenerator[MultipartSegment | bytes | None, None]


class FormReader(Protocol[T]):
    """The consumer of a form's parts."""

    async def field(self, name: str, text: str) -> None:
        """Accept a text field, or refuse the form."""
        ...

    async def file(self, data: AsyncIterator[bytes], filename: str | None) -> T:
        """Store the file while it arrives, or refuse it."""
        ...

    async def discard(self, stored: T) -> None:
        """Remove a file that was stored before the form was refused."""
        ...

    def end(self) -> None:
        """Refuse an incomplete form."""
        ...


class FormObserver(Protocol):
    """An observer of a form's content, including one that is refused."""

    def field(self, name: str, text: str) -> None:
        """A text field was read; it may still be refused."""
        ...

    def file(self, name: str, filename: str | None, content_type: str | None) -> None:
        """A file begins, in any field."""
        ...

    def chunk(self, data: bytes) -> None:
        """More of the file was read."""
        ...

    def complete(self) -> None:
        """The form was read completely."""
        ...


class _NullObserver:
    def field(self, name: str, text: str) -> None: ...

    def file(self, name: str, filename: str | None, content_type: str | None) -> None: ...

    def chunk(self, data: bytes) -> None: ...

    def complete(self) -> None: ...


NULL_OBSERVER: FormObserver = _NullObserver()

OBSERVER = "form_observer"
"""The key of the request's state for the FormObserver of its form, if there is one."""


async def read_form(
    request: Request[Any, Any, Any],
    reader: FormReader[T],
    *,
    max_file_bytes: int,
    max_field_chars: int = MAX_FIELD_CHARS,
) -> T:
    """The form's file as `reader` stored it.

    Raises InvalidMultipart, MissingField, PayloadTooLarge, UploadInterrupted, ClientGone, and what the reader raises.
    """
    observer: FormObserver = request.scope["state"].get(OBSERVER, NULL_OBSERVER)
    chunks = BodyChunks(request, max_bytes=max_file_bytes + FORM_OVERHEAD_BYTES)
    events = _events(chunks, _boundary(request.headers.get("content-type", "")))
    stored: T | None = None
    try:
        async for segment in events:
            assert isinstance(segment, MultipartSegment)
            name = segment.name or ""
            if name in FILE_FIELDS or segment.filename is not None:
                observer.file(name, segment.filename, segment.content_type)
            if name in FILE_FIELDS:
                if stored is not None:
                    raise InvalidMultipart("The form has more than one picture.")
                stored = await _file(events, segment, reader, observer)
            elif segment.filename is not None:
                raise MissingField(
                    FILE_FIELDS[0], f"The picture is in a field {name[:64]!r}, not in {FILE_FIELDS[0]!r}."
                )
            else:
                text = await _text(events, name, max_field_chars)
                observer.field(name, text)
                await reader.field(name, text)
        observer.complete()
        if stored is None:
            raise MissingField(FILE_FIELDS[0], f"The form has no picture in a field {FILE_FIELDS[0]!r}.")
        reader.end()
    except BaseException:
        if stored is not None:
            await reader.discard(stored)
        raise
    finally:
        await events.aclose()
    return stored


async def _file(events: Events, segment: MultipartSegment, reader: FormReader[T], observer: FormObserver) -> T:
    try:
        return await reader.file(_observed(_payload(events), observer), segment.filename)
    except UndecodableImage:
        if not segment.filename and segment.complete and not segment.size:
            raise MissingField(segment.name or "", "The picture field is empty.") from None
        raise


async def _payload(events: Events) -> AsyncIterator[bytes]:
    """The bytes of the current part, to its end."""
    async for event in events:
        if event is None:
            return
        assert isinstance(event, bytes)
        yield event


async def _observed(data: AsyncIterator[bytes], observer: FormObserver) -> AsyncIterator[bytes]:
    async for chunk in data:
        observer.chunk(chunk)
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
        raise InvalidMultipart(f"The field {name[:64]!r} contains a NUL character.")
    return text


async def _events(chunks: BodyChunks, boundary: str) -> Events:
    """The parser's events in order: the head of a part, its bytes, None at its end.

    The body is read to its end, also past the last boundary: only then can the connection serve another request.
    """
    try:
        with PushMultipartParser(boundary, max_segment_count=_MAX_FIELDS) as parser:
            async for chunk in chunks:
                if not chunk or parser.closed:
                    continue
                for event in parser.parse(chunk):
                    yield bytes(event) if isinstance(event, bytearray | memoryview) else event
    except ParserLimitReached as error:
        raise InvalidMultipart(f"The form has too many or too large parts: {error}.") from error
    except MultipartError as error:
        raise InvalidMultipart(f"The body is not a well-formed multipart form: {error}.") from error


def _boundary(content_type: str) -> str:
    kind, options = parse_options_header(content_type)
    boundary: str = options.get("boundary", "")
    if kind.lower() != "multipart/form-data":
        raise InvalidMultipart("The Content-Type must be multipart/form-data.")
    if not boundary:
        raise InvalidMultipart("The Content-Type header has no boundary.")
    return boundary
