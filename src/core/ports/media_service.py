"""The media port: pictures under public links."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol
from uuid import UUID

from ..domain.job import Job
from ..domain.media import MediaObject, StoredFile
from ..domain.result_files import PublicFile


class MediaService(Protocol):
    """Files with public links. The clock decides what has expired, whether or not the file still lies there."""

    async def register(
        self, data: AsyncIterator[bytes], *, mime: str, max_bytes: int, job: Job | None = None
    ) -> MediaObject:
        """Store a temporary file and give it a public link that ends with its time to live, with its job at the
        latest.

        Raises UnsupportedMediaType for a type that is not accepted, PayloadTooLarge.
        """
        ...

    async def register_upload(self, data: AsyncIterator[bytes]) -> MediaObject:
        """The same for a picture from outside, whose type is told by its content.

        Raises PayloadTooLarge, UnsupportedMediaType, UndecodableImage, ImageTooLarge; nothing stays behind then.
        """
        ...

    async def remove(self, media_id: UUID) -> None:
        """Remove a media object before its time; its link ends now."""
        ...

    async def drop(self, job_id: UUID) -> None:
        """Remove the media objects that were registered for a job."""
        ...

    async def public_media(self, media_id: UUID) -> PublicFile:
        """A media object by its link; MediaNotFound, MediaExpired."""
        ...

    async def public_result(self, job_id: UUID) -> PublicFile:
        """A job's finished picture by its link; MediaNotFound, MediaExpired."""
        ...

    async def public_thumbnail(self, job_id: UUID) -> PublicFile:
        """A small WebP of the finished picture; made now if it is not there. MediaNotFound, MediaExpired."""
        ...

    async def keep_photo(self, job: Job, photo: bytes) -> None:
        """Keep a small WebP of the photo that a job's result was made of, for as long as the result.

        `photo` is the photo as a provider took it. Raises MediaNotFound, MediaExpired, UndecodableImage.
        """
        ...

    async def job_photo(self, job_id: UUID) -> PublicFile:
        """That WebP, for those who may see jobs; JobNotFound, MediaNotFound where none was kept, MediaExpired."""
        ...

    async def make_thumbnail(self, job: Job) -> StoredFile:
        """Make and store the thumbnail of a job's result, and offer it to the job as its inline preview.

        Raises MediaNotFound, MediaExpired, UndecodableImage.
        """
        ...
