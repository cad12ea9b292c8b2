"""A stand-in of a studio's own service for the provider `http`: takes a photo, gives it back mirrored."""

from __future__ import annotations

import io
from collections.abc import Mapping

import msgspec
from multipart import MultipartError, MultipartParser, parse_options_header
from PIL import Image, ImageOps, UnidentifiedImageError

from tests.support import photos

from .server import Answer, Received, StandInServer


class SentFile(msgspec.Struct, frozen=True):
    """A file of a form; a photo that is the whole body has no name."""

    filename: str
    mime: str
    data: bytes


class Sent(msgspec.Struct, frozen=True):
    """What a request has brought: text fields and files by name."""

    fields: dict[str, str]
    files: dict[str, SentFile]


class StudioStandIn(StandInServer):
    """The service: POST to any path. It wants pictures to be what they claim, and names to be there once.

    Attributes:
        key: what the header `key_header` must hold, None: that header must not be there.
        photo_field: the field of the photo in a form.
    """

    def __init__(self, *, key: str | None = None, key_header: str = "authorization", photo_field: str = "file") -> None:
        super().__init__()
        self.key = key
        self.key_header = key_header
        self.photo_field = photo_field

    def sent(self) -> list[Sent]:
        """What the right requests have brought so far."""
        return [_sent(request, self.photo_field) for request in self.received]

    def check(self, request: Received) -> Answer | None:
        if request.method != "POST":
            return Answer(405)
        if request.headers.get(self.key_header) != self.key:
            return Answer(401)
        if "cookie" in request.headers or int(request.headers.get("content-length", "-1")) != len(request.body):
            return Answer(400, b"cookies, or no length")
        try:
            sent = _sent(request, self.photo_field)
        except MultipartError as error:
            return Answer(400, str(error).encode())
        if self.photo_field not in sent.files:
            return Answer(422, b"no photo")
        for name, file in sent.files.items():
            if not _is_what_it_claims(file):
                return Answer(415, f"{name} is no {file.mime}".encode())
        return None

    def answer(self, request: Received) -> Answer:
        photo = _sent(request, self.photo_field).files[self.photo_field]
        return Answer(200, mirrored(photo.data), {"Content-Type": "image/png"})


def mirrored(data: bytes) -> bytes:
    """The work of this studio."""
    return photos.encoded(ImageOps.mirror(photos.pixels(data)), "PNG")


def _sent(request: Received, photo_field: str) -> Sent:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != "multipart/form-data":
        return Sent({}, {photo_field: SentFile("", kind, request.body)})
    fields: dict[str, str] = {}
    files: dict[str, SentFile] = {}
    # Parts above memory_limit would go to files on disk, which is of no interest here.
    parser = MultipartParser(io.BytesIO(request.body), options["boundary"], strict=True, memory_limit=2**30)
    for part in parser:
        if part.name in fields or part.name in files:
            raise MultipartError(f"{part.name} is there twice")
        if part.filename is None:
            fields[part.name] = part.value
        else:
            files[part.name] = SentFile(part.filename, part.content_type, part.raw)
    return Sent(fields, files)


def _is_what_it_claims(file: SentFile) -> bool:
    formats: Mapping[str, str] = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
    try:
        with Image.open(io.BytesIO(file.data)) as picture:
            picture.load()
            return picture.format == formats.get(file.mime)
    except (OSError, UnidentifiedImageError):
        return False
