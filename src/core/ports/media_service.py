"""Pictures under public links."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol
from uuid import UUID

from ..domain.job import Job
from ..domain.media import MediaObject, StoredFile
from ..domain.results.files import PublicFile


class MediaService(Protocol):
    """Files with public links. A link expires by the clock, whether or not its file still exists."""

    async def register(
        self, data: AsyncIterator[bytes], *, mime: str, max_bytes: int, job: Job | None = None
    ) -> MediaObject:
        """Store a temporary file under a public link that expires after its time to live, at the latest with its job.

        Raises UnsupportedMediaType, PayloadTooLarge.
        """
        ...

    async def register_upload(self, data: AsyncIterator[bytes]) -> MediaObject:
        """Store an uploaded picture, whose type is detected from its content, under a public link.

        Raises PayloadTooLarge, UnsupportedMediaType, UndecodableImage, ImageTooLarge; the file is not kept then.
        """
        ...

    async def remove(self, media_id: UUID) -> None:
        """Remove a media object; its link expires now."""
        ...

    async def drop(self, job_id: UUID) -> None:
        """Remove the media objects of a job."""
        ...

    async def public_media(self, media_id: UUID) -> PublicFile:
        """A media object by its link; MediaNotFound, MediaExpired."""
        ...

    async def public_result(self, job_id: UUID) -> PublicFile:
        """A job's result by its link; MediaNotFound, MediaExpired."""
        ...

    async def public_thumbnail(self, job_id: UUID) -> PublicFile:
        """The WebP thumbnail of a job's result, made on demand; MediaNotFound, MediaExpired."""
        ...

    async def keep_photo(self, job: Job, preview: bytes) -> None:
        """Store the preview of the photo that a job's result was made from, for as long as the result.

        Raises MediaNotFound, MediaExpired.
        """
        ...

    async def job_photo(self, job_id: UUID) -> PublicFile:
        """The stored thumbnail of a job's photo; JobNotFound, MediaNotFound where there is none, MediaExpired."""
        ...

    async def make_thumbnail(self, job: Job, preview: bytes | None = None) -> StoredFile:
        """Store the thumbnail of a job's result: `preview`, or one that is made from the result.

        Raises MediaNotFound, MediaExpired, UndecodableImage.
        """
        ...
