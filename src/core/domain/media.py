"""Files and pictures as the core sees them: what kinds there are, how they are named, and what is known of each."""

from __future__ import annotations

import enum
import re
from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

import msgspec

MIME_EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/heic": "heic",
    "image/heif": "heif",
}
"""The picture types that PhotoChanger takes in and gives out, with the file extension of each."""

_SAFE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}\Z")


class MediaKind(enum.StrEnum):
    """The five sorts of stored files; each has a folder (or prefix) of its own."""

    PAYLOADS = "payloads"
    RESULTS = "results"
    PREVIEWS = "previews"
    TEMPLATES = "templates"
    MEDIA = "media"


class MediaKey(msgspec.Struct, frozen=True):
    """Where a file lies in the media store. `name` is made by us, never taken from outside."""

    kind: MediaKind
    name: str

    def __post_init__(self) -> None:
        if not _SAFE_NAME.match(self.name):
            raise ValueError("a media name is made of a-z, 0-9, dot, dash and underscore")

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> MediaKey:
        """The key that `str(key)` wrote; ValueError for anything else."""
        kind, _, name = text.partition("/")
        return cls(MediaKind(kind), name)


class StoredFile(msgspec.Struct, frozen=True):
    """A file that the media store holds whole."""

    key: MediaKey
    size_bytes: int
    sha256: str


class ImageFacts(msgspec.Struct, frozen=True):
    """What the header of a picture says. `width` and `height` are in pixels, as stored (before any rotation)."""

    mime: str
    width: int
    height: int


class Photo(msgspec.Struct, frozen=True):
    """A photo as received: the stored payload and what its header says."""

    file: StoredFile
    facts: ImageFacts


class Picture(msgspec.Struct, frozen=True):
    """A picture in memory, known to decode: encoded bytes, their type and their size in pixels."""

    data: bytes
    mime: str
    width: int
    height: int

    def __repr__(self) -> str:
        return f"Picture({self.mime}, {self.width}x{self.height}, {len(self.data)} bytes)"


class StoredPicture(msgspec.Struct, frozen=True):
    """A picture that is known to decode and lies in the media store."""

    file: StoredFile
    mime: str
    width: int
    height: int


class ImageLimits(msgspec.Struct, frozen=True):
    """The most that is accepted of a picture before anything of it is decoded."""

    max_pixels: int
    max_frames: int = 64


class PictureNeeds(msgspec.Struct, frozen=True):
    """What a provider accepts: types in order of preference, and the most bytes and pixels.

    `quality` (1 to 100) is that of a photo which must be encoded anew; it goes down only where the bytes demand it.
    """

    mimes: tuple[str, ...]
    max_bytes: int
    max_pixels: int
    quality: int = 92


class MediaObject(msgspec.Struct, frozen=True):
    """A temporary file with a public link."""

    id: UUID
    file: StoredFile
    mime: str
    created_at: datetime
    expires_at: datetime
    job_id: UUID | None = None


class TemplateMedia(msgspec.Struct, frozen=True, kw_only=True):
    """A permanent picture for slots: style, background, frame, face. Its file is named after its id alone."""

    id: UUID
    file: StoredFile
    mime: str
    width: int
    height: int
    name: str
    created_at: datetime
    created_by: str


async def one_chunk(data: bytes) -> AsyncIterator[bytes]:
    """Bytes in memory as the stream that a media store takes."""
    yield data
