"""Multipart forms, parsed while they arrive: the file of a form is streamed to the store.

The parts may come in any order. A form is refused as early as possible, and a refused form leaves nothing behind.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Generic, Protocol, TypeVar

from litestar import Request
from litestar.types import Receive

from ....core.domain.errors import InvalidMultipart, MissingField, UndecodableImage
from ....core.domain.ingest_request import FILE_FIELDS, is_file_field
from .body import BodyChunks
from .charsets import decode
from .multipart_parser import Event, MultipartParser, PartHead, boundary_of

FORM_OVERHEAD_BYTES = 1024 * 1024
"""How much larger than its file a form may be."""

MAX_PARTS = 64
MAX_FIELD_CHARS = 8 * 1024
MAX_TEXT_BYTES = 256 * 1024
"""Maximum size of all text fields together; where a single one may be longer, that counts."""

_CHARSET_FIELD = "_charset_"
"""The field that names the charset of those that follow and name none (RFC 7578 §4.6)."""

_MAX_ENCODED_GROWTH = 3
"""How much longer quoted-printable makes a text."""

_BLANKS = b" \t\r\n"

T = TypeVar("T")

Events = AsyncGenerator[Event, None]


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

    async def end(self) -> None:
        """Refuse an incomplete form."""
        ...


class FileRoom(Protocol):
    """The room that the service grants to the file of a form."""

    async def take(self, size_bytes: int) -> None:
        """Wait for room for that many more bytes of the file, or refuse it."""
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


def observer_of(request: Request[Any, Any, Any]) -> FormObserver:
    """The observer of the request's form."""
    observer: FormObserver = request.scope["state"].get(OBSERVER, NULL_OBSERVER)
    return observer


def announced_bytes(request: Request[Any, Any, Any], max_file_bytes: int) -> int:
    """The size of the form as its request announces it, 0 for none; at most what is read of it."""
    return min(request.content_length or 0, max_file_bytes + FORM_OVERHEAD_BYTES)


async def read_form(
    request: Request[Any, Any, Any],
    reader: FormReader[T],
    *,
    room: FileRoom,
    max_file_bytes: int,
    max_field_chars: int = MAX_FIELD_CHARS,
    receive: Receive | None = None,
) -> T:
    """The form's file as `reader` stored it, received by `receive` (None: the request's).

    File inputs without a file are ignored.

    Raises InvalidMultipart, MissingField, PayloadTooLarge, UploadInterrupted, ClientGone, and what the reader and the
    room raise.
    """
    observer = observer_of(request)
    boundary = boundary_of(request.headers.get("content-type", ""))
    chunks = BodyChunks(request, max_bytes=max_file_bytes + FORM_OVERHEAD_BYTES, receive=receive)
    events = _events(chunks, boundary)
    files = _Files(reader, observer, room)
    texts = _Texts(max_field_chars)
    try:
        async for head in events:
            assert isinstance(head, PartHead)
            if _is_file(head):
                await files.read(head, events)
            elif head.name == _CHARSET_FIELD:
                texts.charset = await texts.read(head, events)
            else:
                text = await texts.read(head, events)
                observer.field(head.name, text)
                await reader.field(head.name, text)
        observer.complete()
        await reader.end()
        stored = files.require()
        async for _ in chunks:
            pass  # what follows the form: only at the end of the body can the connection serve another request
    except BaseException:
        await files.discard()
        raise
    finally:
        await events.aclose()
    return stored


class _Files(Generic[T]):
    """The file parts of a form, of which one is the picture."""

    def __init__(self, reader: FormReader[T], observer: FormObserver, room: FileRoom) -> None:
        self._reader = reader
        self._observer = observer
        self._room = room
        self._stored: list[T] = []
        self._empty: PartHead | None = None
        self._observed = False

    async def read(self, head: PartHead, events: Events) -> None:
        """Store the picture, pass over an empty part, refuse any other."""
        data = _content(head, events)
        start = await anext(data, None)
        if start is None:
            if self._empty is None and is_file_field(head.name):
                self._empty = head
            if not self._observed:
                self._observer.file(head.name, head.filename, head.content_type)
            return
        self._observed = True
        self._observer.file(head.name, head.filename, head.content_type)
        if not is_file_field(head.name):
            raise MissingField(
                FILE_FIELDS[0], f"The picture is in a field {head.name[:64]!r}, not in {FILE_FIELDS[0]!r}."
            )
        if self._stored:
            raise InvalidMultipart("The form has more than one picture.")
        self._stored.append(await self._reader.file(self._received(start, data), head.filename))

    def require(self) -> T:
        """The picture; MissingField, UndecodableImage if it is an empty file."""
        if self._stored:
            return self._stored[0]
        if self._empty is None:
            raise MissingField(FILE_FIELDS[0], f"The form has no picture in a field {FILE_FIELDS[0]!r}.")
        if not self._empty.filename:
            raise MissingField(self._empty.name, "The picture field is empty.")
        raise UndecodableImage("The picture is empty (0 bytes).")

    async def discard(self) -> None:
        """Remove the picture of a form that is refused."""
        for stored in self._stored:
            await self._reader.discard(stored)

    async def _received(self, start: bytes, data: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        chunk: bytes | None = start
        while chunk is not None:
            self._observer.chunk(chunk)
            await self._room.take(len(chunk))
            yield chunk
            chunk = await anext(data, None)


class _Texts:
    """The text parts of a form, bounded one by one and together."""

    def __init__(self, max_chars: int) -> None:
        self.charset: str | None = None
        self._max_chars = max_chars
        self._bytes_left = max(MAX_TEXT_BYTES, 4 * max_chars)

    async def read(self, head: PartHead, events: Events) -> str:
        """The text of this part, in the charset that it or the form names. InvalidMultipart."""
        encoded = head.transfer_encoding in _TEXT_DECODERS
        max_bytes = 4 * self._max_chars * (_MAX_ENCODED_GROWTH if encoded else 1)
        data = bytearray()
        async for chunk in _payload(events):
            data += chunk
            self._bytes_left -= len(chunk)
            if len(data) > max_bytes:
                raise self._too_long(head)
            if self._bytes_left < 0:
                raise InvalidMultipart(f"The form has more than {MAX_TEXT_BYTES // 1024} KiB of text.")
        content = _transfer_decoded(bytes(data), head.transfer_encoding) if encoded else bytes(data)
        text = decode(content, head.charset or self.charset)
        if len(text) > self._max_chars:
            raise self._too_long(head)
        if "\0" in text:
            raise InvalidMultipart(f"The field {head.name[:64]!r} contains a NUL character.")
        return text

    def _too_long(self, head: PartHead) -> InvalidMultipart:
        return InvalidMultipart(f"The field {head.name[:64]!r} is longer than {self._max_chars} characters.")


_TEXT_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "base64": binascii.a2b_base64,
    "quoted-printable": binascii.a2b_qp,
}


def _transfer_decoded(data: bytes, encoding: str) -> bytes:
    """The bytes behind a transfer encoding; as they are where that is not how they are encoded."""
    try:
        return _TEXT_DECODERS[encoding](data)
    except binascii.Error:
        return data


def _is_file(head: PartHead) -> bool:
    return head.filename is not None or is_file_field(head.name)


async def _content(head: PartHead, events: Events) -> AsyncIterator[bytes]:
    """The bytes of the current file part, without its transfer encoding."""
    if head.transfer_encoding != "base64":
        async for chunk in _payload(events):
            yield chunk
        return
    waiting = b""
    async for chunk in _payload(events):
        waiting += chunk.translate(None, _BLANKS)
        whole = len(waiting) - len(waiting) % 4
        if whole:
            yield _base64(waiting[:whole])
            waiting = waiting[whole:]
    if waiting:
        yield _base64(waiting)


def _base64(data: bytes) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        raise InvalidMultipart("The picture is not valid base64, as its Content-Transfer-Encoding says.") from None


async def _payload(events: Events) -> AsyncIterator[bytes]:
    """The bytes of the current part, to its end."""
    async for event in events:
        if event is None:
            return
        assert isinstance(event, bytes)
        yield event


async def _events(chunks: BodyChunks, boundary: bytes) -> Events:
    """The parser's events in order, to the closing boundary."""
    parser = MultipartParser(boundary, max_parts=MAX_PARTS)
    async for chunk in chunks:
        for event in parser.feed(chunk):
            yield event
        if parser.closed:
            return
    parser.end()
