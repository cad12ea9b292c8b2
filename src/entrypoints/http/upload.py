"""The camera's multipart form, read while it arrives: the photo goes straight into the media store.

The fields may come in any order. What can be refused early is refused early; nothing of a refused form stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header

from ...core.errors import (
    InvalidMultipart,
    MissingField,
    PayloadTooLarge,
    UndecodableImage,
    UploadInterrupted,
)
from ...core.media import Photo
from ...core.slots import is_field_name

FILE_FIELDS = ("fileToUpload", "file")
PASSWORD_FIELD = "password"
FORM_OVERHEAD_BYTES = 1024 * 1024
"""How much larger than its photo a form may be."""

_MAX_FIELDS = 64
_MAX_FIELD_CHARS = 8 * 1024
_MAX_FIELD_BYTES = 4 * _MAX_FIELD_CHARS
_IDLE_SECONDS = 30.0
_SLACK_SECONDS = 60.0
_SLOWEST_BYTES_PER_SECOND = 16 * 1024
"""What the slowest line carries; an upload that falls further behind it than the slack is given up."""


class ClientGone(Exception):
    """The client hung up while it was sending; there is nobody to answer."""


class Form:
    """What a form held: the stored photo and the fields that become the job's metadata."""

    def __init__(self) -> None:
        self.photo: Photo | None = None
        self.metadata: dict[str, str] = {}


Events = AsyncGenerator[MultipartSegment | bytes | None, None]


async def read_form(
    receive: Callable[[], Awaitable[Any]],
    content_type: str,
    *,
    max_bytes: int,
    check_password: Callable[[str], Awaitable[None]],
    receive_photo: Callable[[AsyncIterator[bytes]], Awaitable[Photo]],
    discard_photo: Callable[[Photo], Awaitable[None]],
) -> tuple[Photo, dict[str, str]]:
    """The photo, already stored, and the metadata.

    Raises InvalidMultipart, MissingField, PayloadTooLarge, UploadInterrupted, ClientGone, and what `check_password`
    and `receive_photo` raise. A photo that was stored before the form was refused is discarded.
    """
    events = _events(receive, _boundary(content_type), max_bytes)
    form = Form()
    try:
        await _read_fields(events, form, check_password, receive_photo)
        if form.photo is None:
            raise MissingField(FILE_FIELDS[0], f"The form has no picture in a field {FILE_FIELDS[0]!r}.")
    except BaseException:
        if form.photo is not None:
            await discard_photo(form.photo)
        raise
    finally:
        await events.aclose()
    return form.photo, form.metadata


async def _read_fields(
    events: Events,
    form: Form,
    check_password: Callable[[str], Awaitable[None]],
    receive_photo: Callable[[AsyncIterator[bytes]], Awaitable[Photo]],
) -> None:
    password_right = False
    async for segment in events:
        assert isinstance(segment, MultipartSegment)
        name = segment.name or ""
        if name in FILE_FIELDS:
            if form.photo is not None:
                raise InvalidMultipart("The form has more than one picture.")
            form.photo = await _photo(events, name, segment, receive_photo)
        elif segment.filename is not None:
            raise MissingField(FILE_FIELDS[0], f"The picture is in a field {name[:64]!r}, not in {FILE_FIELDS[0]!r}.")
        elif name == PASSWORD_FIELD:
            await check_password(await _text(events, name))
            password_right = True
        elif not is_field_name(name):
            raise InvalidMultipart(f"The field name {name[:64]!r} cannot be used.")
        else:
            form.metadata[name] = await _text(events, name)
    if not password_right:
        raise MissingField(PASSWORD_FIELD, f"The form has no field {PASSWORD_FIELD!r}.")


async def _photo(
    events: Events,
    name: str,
    segment: MultipartSegment,
    receive_photo: Callable[[AsyncIterator[bytes]], Awaitable[Photo]],
) -> Photo:
    try:
        return await receive_photo(_payload(events))
    except UndecodableImage:
        if not segment.filename and segment.complete and not segment.size:
            raise MissingField(name, "No picture was chosen: the field is empty.") from None
        raise


async def _payload(events: Events) -> AsyncIterator[bytes]:
    """The bytes of the current part, to its end."""
    async for event in events:
        if event is None:
            return
        assert isinstance(event, bytes)
        yield event


async def _text(events: Events, name: str) -> str:
    data = b""
    async for chunk in _payload(events):
        data += chunk
        if len(data) > _MAX_FIELD_BYTES:
            break
    text = data.decode("utf-8", "replace")
    if len(text) > _MAX_FIELD_CHARS:
        raise InvalidMultipart(f"The field {name!r} is longer than {_MAX_FIELD_CHARS} characters.")
    if "\0" in text:
        raise InvalidMultipart(f"The field {name!r} holds a NUL character.")
    return text


async def _events(receive: Callable[[], Awaitable[Any]], boundary: str, max_bytes: int) -> Events:
    """What the parser finds, in order: the head of a part, its bytes, None at its end.

    The body is read to its end, also past the last boundary: only then can the connection serve another request.
    """
    received = 0
    more = True
    give_up_at = asyncio.get_running_loop().time() + _SLACK_SECONDS
    try:
        with PushMultipartParser(boundary, max_segment_count=_MAX_FIELDS) as parser:
            while more:
                chunk, more = await _chunk(receive, give_up_at + received / _SLOWEST_BYTES_PER_SECOND)
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


async def _chunk(receive: Callable[[], Awaitable[Any]], give_up_at: float) -> tuple[bytes, bool]:
    silent_at = asyncio.get_running_loop().time() + _IDLE_SECONDS
    try:
        async with asyncio.timeout_at(min(silent_at, give_up_at)):
            message = await receive()
    except TimeoutError:
        if give_up_at < silent_at:
            raise UploadInterrupted("The photo arrives too slowly to be waited for.") from None
        raise UploadInterrupted(f"Nothing was received for {_IDLE_SECONDS:g} s; the photo is not whole.") from None
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message.get("body", b""), message.get("more_body", False)


def _boundary(content_type: str) -> str:
    kind, options = parse_options_header(content_type)
    boundary: str = options.get("boundary", "")
    if kind.lower() != "multipart/form-data":
        raise InvalidMultipart("The request has to be a multipart/form-data form.")
    if not boundary:
        raise InvalidMultipart("The Content-Type header names no boundary.")
    return boundary
