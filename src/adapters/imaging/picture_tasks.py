"""The picture operations as tasks of a child process: what goes there and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import Callable, Generator
from importlib.util import find_spec
from typing import Any

import msgspec

from ...core.domain.errors import ImageTooLarge, PhotoChangerError, UndecodableImage, UnsupportedMediaType
from ...core.domain.media import PREVIEW_MAX_BYTES, ImageLimits, Picture, PictureNeeds
from ...core.ports.image_tool import PreviewedPicture
from ...core.services.support.concurrency import result_of
from .checked import ANY_SIZE
from .children.call import Answer, Call
from .children.pool import Content
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
    with_preview: bool = False


class Normalise(msgspec.Struct, frozen=True, tag=True):
    """Make a result of the picture in the file."""

    limits: ImageLimits
    with_preview: bool = True


class Preview(msgspec.Struct, frozen=True, tag=True):
    """Make a preview of the picture in the file."""


Request = Prepare | Normalise | Preview


class Made(msgspec.Struct, frozen=True, tag=True):
    """A picture, whose preview may follow, or a preview alone. The content that comes with it is what is new.

    Attributes:
        mime, width, height: of the picture.
        is_new: the picture has other bytes than those that were sent.
        is_preview: it is a preview.
    """

    mime: str = ""
    width: int = 0
    height: int = 0
    is_new: bool = False
    is_preview: bool = False


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


def made_picture(answer: Content, *, was: bytes | None = None) -> PreviewedPicture:
    """The picture in an answer of `perform` to a request with the bytes `was`; raises what `_made` raises."""
    made, content = _made(answer)
    data = content if made.is_new else was
    if data is None or made.is_preview:
        raise _no_answer()
    return PreviewedPicture(Picture(data, made.mime, made.width, made.height), _Preview(answer.later))


def made_preview(answer: Content) -> bytes:
    """The preview in an answer of `perform`; raises what `_made` raises."""
    made, preview = _made(answer)
    if not made.is_preview or preview is None or len(preview) > PREVIEW_MAX_BYTES:
        raise _no_answer()
    return preview


class _Preview:
    """The preview of a picture that a child makes after its answer. One beyond its bounds counts as none."""

    def __init__(self, later: asyncio.Future[bytes | None] | None) -> None:
        self._later = later

    def __await__(self) -> Generator[Any, None, bytes | None]:
        return self._made().__await__()

    async def _made(self) -> bytes | None:
        preview = None if self._later is None else await result_of(self._later)
        return preview if preview is not None and len(preview) <= PREVIEW_MAX_BYTES else None


def _made(answer: Content) -> tuple[Made, bytes | None]:
    """An answer with its content, if any; raises the error that it holds, and UndecodableImage where it is none."""
    try:
        made = _answers.decode(answer.header)
    except msgspec.MsgspecError as error:
        raise _no_answer() from error
    if isinstance(made, Refused):
        raise _ERRORS.get(made.code, UndecodableImage)(made.detail)
    if isinstance(made, Unreadable):
        raise OSError(made.number, made.reason)
    if len(answer.contents) != int(made.is_new or made.is_preview):
        raise _no_answer()
    return made, answer.contents[0] if answer.contents else None


def _no_answer() -> UndecodableImage:
    return UndecodableImage("The picture cannot be decoded: its process sent no answer.")


def perform(call: Call) -> Answer:
    """Do a request in a child process."""
    try:
        return _perform(call, _requests.decode(call.header))
    except (UndecodableImage, UnsupportedMediaType, ImageTooLarge) as error:
        return Answer(msgspec.msgpack.encode(Refused(error.code, error.detail)))
    except OSError as error:
        return Answer(msgspec.msgpack.encode(Unreadable(error.errno or 0, error.strerror or "cannot be read")))


def _perform(call: Call, request: Request) -> Answer:
    call.claim(_pixels(call, request))
    operations: Any = importlib.import_module(".operations", __package__)
    match request:
        case Prepare(with_preview=False):
            return _sent(operations.prepare(call.path(0), request.needs))
        case Prepare():
            made = operations.prepare_with_preview(call.path(0), request.needs)
            return _sent(made.picture, preview=made.preview)
        case Normalise():
            data = call.content(0)
            made = operations.normalise(data, request.limits, with_preview=request.with_preview)
            return _sent(made.picture, was=data, preview=made.preview if request.with_preview else None)
        case Preview():
            return Answer(msgspec.msgpack.encode(Made(is_preview=True)), [operations.preview(call.content(0))])


def _sent(picture: Picture, *, was: bytes | None = None, preview: Callable[[], bytes | None] | None = None) -> Answer:
    """A picture to be sent; its bytes are not where they are those that came."""
    is_new = picture.data is not was
    made = Made(picture.mime, picture.width, picture.height, is_new=is_new)
    return Answer(msgspec.msgpack.encode(made), [picture.data] if is_new else [], preview)


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
