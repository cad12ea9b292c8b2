"""Files and pictures: kinds, names, and metadata."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

import msgspec

from .stored_values import StoredEnum

MIME_EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/heic": "heic",
    "image/heif": "heif",
}
"""The accepted picture types with their file extensions."""

_SAFE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}\Z")


class MediaKind(StoredEnum):
    """Kind of a stored file; each has its own folder (or prefix)."""

    PAYLOADS = "payloads"
    RESULTS = "results"
    PREVIEWS = "previews"
    TEMPLATES = "templates"
    MEDIA = "media"


class MediaKey(msgspec.Struct, frozen=True):
    """Key of a file in the media store. `name` is generated, never taken from a client."""

    kind: MediaKind
    name: str

    def __post_init__(self) -> None:
        if not _SAFE_NAME.match(self.name):
            raise ValueError("a media name consists of a-z, 0-9, dot, dash and underscore")

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> MediaKey:
        """The inverse of `str(key)`; ValueError for any other text."""
        kind, _, name = text.partition("/")
        return cls(MediaKind(kind), name)


class StoredFile(msgspec.Struct, frozen=True):
    """A complete file in the media store."""

    key: MediaKey
    size_bytes: int
    sha256: str


class OwnedFile(msgspec.Struct, frozen=True):
    """A file that a row of the database owns. Previews and thumbnails may be missing; their sizes are not known."""

    key: MediaKey
    size_bytes: int | None = None
    sha256: str | None = None


class ImageFacts(msgspec.Struct, frozen=True):
    """Metadata from the header of a picture. `width` and `height` in pixels, before any rotation that EXIF asks for."""

    mime: str
    width: int
    height: int


class Photo(msgspec.Struct, frozen=True):
    """A received photo: the stored payload and its header."""

    file: StoredFile
    facts: ImageFacts


class Picture(msgspec.Struct, frozen=True):
    """A verified picture in memory: encoded bytes, type, size in pixels."""

    data: bytes
    mime: str
    width: int
    height: int

    def __repr__(self) -> str:
        return f"Picture({self.mime}, {self.width}x{self.height}, {len(self.data)} bytes)"


RESULT_TYPES = ("image/jpeg", "image/png", "image/webp")
"""What a result may be; an answer of one of these types stays of that type."""

PREVIEW_SIDE = 512
PREVIEW_MAX_BYTES = 64 * 1024
"""Bounds of a preview: its longest side in pixels, and its size."""


class StoredPicture(msgspec.Struct, frozen=True):
    """A verified picture in the media store."""

    file: StoredFile
    mime: str
    width: int
    height: int


class ImageLimits(msgspec.Struct, frozen=True):
    """Limits that the header of a picture must meet before it is decoded."""

    max_pixels: int
    max_frames: int = 64


class PictureNeeds(msgspec.Struct, frozen=True):
    """What a provider accepts: types in order of preference, and the maximum of bytes and pixels.

    `quality` (1 to 100) applies where a photo must be re-encoded; it is reduced only to meet `max_bytes`.
    `keep_transparency`: what is transparent stays so where one of the types can hold it; otherwise it becomes white.
    """

    mimes: tuple[str, ...]
    max_bytes: int
    max_pixels: int
    quality: int = 92
    keep_transparency: bool = False


class MediaObject(msgspec.Struct, frozen=True):
    """A temporary file with a public link."""

    id: UUID
    file: StoredFile
    mime: str
    created_at: datetime
    expires_at: datetime
    job_id: UUID | None = None


class TemplateMedia(msgspec.Struct, frozen=True, kw_only=True):
    """A permanent picture for slots: style, background, frame, face. Its file name is its id."""

    id: UUID
    file: StoredFile
    mime: str
    width: int
    height: int
    name: str
    created_at: datetime
    created_by: str


def template_keys(template_id: UUID) -> tuple[MediaKey, MediaKey]:
    """The keys of a template's picture and of its thumbnail."""
    return MediaKey(MediaKind.TEMPLATES, str(template_id)), MediaKey(MediaKind.TEMPLATES, f"{template_id}.webp")


async def one_chunk(data: bytes) -> AsyncIterator[bytes]:
    """Bytes in memory as a stream for the media store."""
    yield data
