"""The picture operations as tasks of a child process: what goes there and comes back."""

from __future__ import annotations

import contextlib
import importlib
from importlib.util import find_spec
from typing import Any

import msgspec

from ...core.domain.errors import ImageTooLarge, PhotoChangerError, UndecodableImage, UnsupportedMediaType
from ...core.domain.media import PREVIEW_MAX_BYTES, ImageLimits, Picture, PictureNeeds, PreviewedPicture
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


class Preview(msgspec.Struct, frozen=True, tag=True):
    """Make a preview of the picture in the file."""


Request = Prepare | Normalise | Preview


class Made(msgspec.Struct, frozen=True, tag=True):
    """A picture, a preview, or both. The contents that come with it are theirs, in this order, as far as they are new.

    Attributes:
        mime, width, height: of the picture.
        is_new: the picture has other bytes than those that were sent.
        has_preview: there is a preview.
    """

    mime: str = ""
    width: int = 0
    height: int = 0
    is_new: bool = False
    has_preview: bool = False


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
    made, picture, preview = _made(answer)
    data = picture if made.is_new else was
    if data is None:
        raise _no_answer()
    return PreviewedPicture(Picture(data, made.mime, made.width, made.height), preview)


def made_preview(answer: Content) -> bytes:
    """The preview in an answer of `perform`; raises what `_made` raises."""
    _, _, preview = _made(answer)
    if preview is None:
        raise _no_answer()
    return preview


def _made(answer: Content) -> tuple[Made, bytes | None, bytes | None]:
    """An answer with the bytes of picture and preview; raises the error that it holds, and UndecodableImage where it
    is none. A preview beyond its bounds counts as none."""
    try:
        made = _answers.decode(answer.header)
    except msgspec.MsgspecError as error:
        raise _no_answer() from error
    if isinstance(made, Refused):
        raise _ERRORS.get(made.code, UndecodableImage)(made.detail)
    if isinstance(made, Unreadable):
        raise OSError(made.number, made.reason)
    contents = answer.contents[::-1]
    if len(contents) != made.is_new + made.has_preview:
        raise _no_answer()
    picture = contents.pop() if made.is_new else None
    preview = contents.pop() if made.has_preview else None
    return made, picture, preview if preview is not None and len(preview) <= PREVIEW_MAX_BYTES else None


def _no_answer() -> UndecodableImage:
    return UndecodableImage("The picture cannot be decoded: its process sent no answer.")


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
        case Prepare(with_preview=False):
            return _sent(PreviewedPicture(operations.prepare(call.path(0), request.needs), None))
        case Prepare():
            return _sent(operations.prepare_with_preview(call.path(0), request.needs))
        case Normalise():
            data = call.content(0)
            return _sent(operations.normalise(data, request.limits), data)
        case Preview():
            return Made(has_preview=True), [operations.preview(call.content(0))]


def _sent(previewed: PreviewedPicture, was: bytes | None = None) -> tuple[Made, list[bytes]]:
    """A picture to be sent; its bytes are not where they are those that came."""
    picture, preview = previewed.picture, previewed.preview
    is_new, has_preview = picture.data is not was, preview is not None
    made = Made(picture.mime, picture.width, picture.height, is_new=is_new, has_preview=has_preview)
    return made, [*([picture.data] if is_new else []), *([preview] if preview is not None else [])]


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
