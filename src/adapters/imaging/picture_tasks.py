"""The picture operations as tasks of a child process: what goes there and comes back."""

from __future__ import annotations

import contextlib
import importlib
from importlib.util import find_spec
from typing import Any

import msgspec

from ...core.domain.errors import ImageTooLarge, PhotoChangerError, UndecodableImage, UnsupportedMediaType
from ...core.domain.media import ImageLimits, Picture, PictureNeeds
from .checked import ANY_SIZE
from .children.call import Answer, Call
from .streamed_header import StreamedHeader

WORK = f"{__name__}:perform"

PRELOAD = (f"{__package__}.operations", *(["pillow_heif"] if find_spec("pillow_heif") else []))
"""Modules that a fork server imports, so that children have them at once."""

_HEADER_BYTES = 64 * 1024
"""How much of a file is read at once in search of its size in pixels."""

_ERRORS = {error.code: error for error in (UndecodableImage, UnsupportedMediaType, ImageTooLarge)}


class Prepare(msgspec.Struct, frozen=True, tag=True):
    """Prepare the picture in the file for a provider."""

    needs: PictureNeeds


class Normalise(msgspec.Struct, frozen=True, tag=True):
    """Make a result of the picture in the file."""

    limits: ImageLimits


class Preview(msgspec.Struct, frozen=True, tag=True):
    """Make a preview of the picture in the file."""


Request = Prepare | Normalise | Preview


class Made(msgspec.Struct, frozen=True, tag=True):
    """A picture, whose bytes are the content beside this; without one they are the bytes that were sent."""

    mime: str = ""
    width: int = 0
    height: int = 0


class Refused(msgspec.Struct, frozen=True, tag=True):
    """An error of the port."""

    code: str
    detail: str


class Unreadable(msgspec.Struct, frozen=True, tag=True):
    """The file could not be read."""

    number: int
    reason: str


_answers: msgspec.msgpack.Decoder[Made | Refused | Unreadable] = msgspec.msgpack.Decoder(Made | Refused | Unreadable)
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)


def encode_request(request: Request) -> bytes:
    """A request as the header of a task."""
    return msgspec.msgpack.encode(request)


def decode_answer(header: bytes) -> Made:
    """The answer of `perform`; raises the error that it holds, and UndecodableImage where it is none."""
    try:
        answer = _answers.decode(header)
    except msgspec.MsgspecError as error:
        raise UndecodableImage("The picture cannot be decoded: its process sent no answer.") from error
    if isinstance(answer, Refused):
        raise _ERRORS.get(answer.code, UndecodableImage)(answer.detail)
    if isinstance(answer, Unreadable):
        raise OSError(answer.number, answer.reason)
    return answer


def perform(call: Call) -> Answer:
    """Do a request in a child process."""
    try:
        made, contents = _perform(call, _requests.decode(call.header))
    except (UndecodableImage, UnsupportedMediaType, ImageTooLarge) as error:
        return msgspec.msgpack.encode(Refused(error.code, error.detail)), ()
    except OSError as error:
        return msgspec.msgpack.encode(Unreadable(error.errno or 0, error.strerror or "cannot be read")), ()
    return msgspec.msgpack.encode(made), contents


def _perform(call: Call, request: Request) -> tuple[Made, list[bytes]]:
    call.claim(_pixels(call, request))
    operations: Any = importlib.import_module(".operations", __package__)
    match request:
        case Prepare():
            return _sent(operations.prepare(call.path(0), request.needs))
        case Normalise():
            data = call.content(0)
            return _sent(operations.normalise(data, request.limits), data)
        case Preview():
            return Made(), [operations.preview(call.content(0))]


def _sent(picture: Picture, was: bytes | None = None) -> tuple[Made, list[bytes]]:
    """A picture to be sent; its bytes are not where they are those that came."""
    made = Made(picture.mime, picture.width, picture.height)
    return made, [] if picture.data is was else [picture.data]


def _pixels(call: Call, request: Request) -> int:
    """The pixels of a picture by its header; 0 where the operation will refuse it."""
    is_answer = isinstance(request, Normalise)
    limits = request.limits if isinstance(request, Normalise) else ANY_SIZE
    header, at = StreamedHeader(limits, takes_avif=is_answer), 0
    with contextlib.suppress(PhotoChangerError):
        while not header.is_read and (data := call.start(0, _HEADER_BYTES, at=at)):
            at += len(data)
            for _ in header.feed(data):
                pass  # nothing else waits here
        facts = header.facts()
        return facts.width * facts.height
    return 0
