"""Files with public links: media objects for providers that fetch by URL, and the results of jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from ...domain.deadlines import media_expires_at
from ...domain.errors import JobNotFound, MediaExpired, MediaNotFound, PhotoChangerError, UnsupportedMediaType
from ...domain.ids import new_id
from ...domain.job import Job
from ...domain.media import MIME_EXTENSIONS, ImageLimits, MediaKey, MediaKind, MediaObject, StoredFile, one_chunk
from ...domain.results.files import PublicFile, live_result, photo_key, preview_key, public_result
from ...ports.clock import Clock
from ...ports.image_tool import ImageTool
from ...ports.media_store import MediaStore
from ...ports.repositories.job_repository import JobRepository
from ...ports.repositories.media_repository import MediaRepository
from ..settings.service import SettingsService
from .removal import remove_unused
from .upload import UploadReceiver


class DefaultMediaService:
    """The MediaService port over the media store and the metadata repository."""

    def __init__(
        self,
        *,
        store: MediaStore,
        media: MediaRepository,
        jobs: JobRepository,
        images: ImageTool,
        receiving: UploadReceiver,
        settings: SettingsService,
        clock: Clock,
    ) -> None:
        self._store = store
        self._media = media
        self._jobs = jobs
        self._images = images
        self._receiving = receiving
        self._settings = settings
        self._clock = clock

    async def register(
        self, data: AsyncIterator[bytes], *, mime: str, max_bytes: int, job: Job | None = None
    ) -> MediaObject:
        if mime not in MIME_EXTENSIONS:
            raise UnsupportedMediaType("The file is not of an accepted picture type.")
        now = self._clock.now()
        settings = await self._settings.current()
        media_id = new_id(now)
        name = f"{media_id}.{MIME_EXTENSIONS[mime]}"
        file = await self._store.put(MediaKind.MEDIA, name, data, max_bytes=max_bytes)
        return await self._add(
            MediaObject(
                id=media_id,
                file=file,
                mime=mime,
                created_at=now,
                expires_at=media_expires_at(now, settings.public_link_ttl, job.expires_at if job else None),
                job_id=job.id if job else None,
            )
        )

    async def register_upload(self, data: AsyncIterator[bytes]) -> MediaObject:
        settings = await self._settings.current()
        media_id = new_id(self._clock.now())
        picture = await self._receiving.receive(
            MediaKind.MEDIA,
            str(media_id),
            data,
            max_bytes=settings.max_upload_bytes,
            limits=ImageLimits(max_pixels=settings.max_image_pixels),
        )
        now = self._clock.now()  # a slow upload does not shorten the life of the link
        return await self._add(
            MediaObject(
                id=media_id,
                file=picture.file,
                mime=picture.facts.mime,
                created_at=now,
                expires_at=media_expires_at(now, settings.public_link_ttl, None),
            )
        )

    async def _add(self, media: MediaObject) -> MediaObject:
        try:
            await self._media.add(media)
        except BaseException:
            await remove_unused(self._store, media.file.key)
            raise
        return media

    async def remove(self, media_id: UUID) -> None:
        media = await self._media.get(media_id)
        if media is not None:
            await self._store.delete(media.file.key)
            await self._media.remove([media_id], now=self._clock.now())

    async def drop(self, job_id: UUID) -> None:
        objects = await self._media.of_job(job_id)
        for media in objects:
            await self._store.delete(media.file.key)
        if objects:
            await self._media.remove([media.id for media in objects], now=self._clock.now())

    async def public_media(self, media_id: UUID) -> PublicFile:
        media = await self._media.get(media_id)
        if media is None:
            raise MediaNotFound("File not found.")
        if self._clock.now() >= media.expires_at:
            raise MediaExpired("This file has expired.")
        return PublicFile(media.file, media.mime, media.expires_at, f"{media.id}.{MIME_EXTENSIONS[media.mime]}")

    async def public_result(self, job_id: UUID) -> PublicFile:
        return public_result(await self._job(job_id), self._clock.now())

    async def public_thumbnail(self, job_id: UUID) -> PublicFile:
        job = await self._job(job_id)
        result = public_result(job, self._clock.now())
        key = preview_key(result.file.key)
        try:
            size = await self._store.size(key)
        except MediaNotFound:
            size = (await self.make_thumbnail(job)).size_bytes
        # The thumbnail is derived from the result alone, so the result's checksum identifies it too.
        file = StoredFile(key, size, f"thumbnail-{result.file.sha256}")
        return PublicFile(file, "image/webp", result.expires_at, f"{job.slot_id}-{job.id}-thumbnail.webp")

    async def make_thumbnail(self, job: Job, preview: bytes | None = None) -> StoredFile:
        result = public_result(job, self._clock.now())
        if preview is None:
            data = b"".join([chunk async for chunk in self._store.open(result.file.key)])
            preview = await self._images.preview(data)
        key = preview_key(result.file.key)
        stored = await self._store.put(key.kind, key.name, one_chunk(preview), max_bytes=len(preview))
        await self._require_kept(job.id, key)
        return stored

    async def keep_photo(self, job: Job, preview: bytes) -> None:
        result = public_result(job, self._clock.now())
        key = photo_key(result.file.key)
        await self._store.put(key.kind, key.name, one_chunk(preview), max_bytes=len(preview))
        await self._require_kept(job.id, key)

    async def _require_kept(self, job_id: UUID, key: MediaKey) -> None:
        """Raise MediaExpired, and delete the file just stored, where the job's guest was erased meanwhile."""
        try:
            live_result(await self._jobs.get(job_id), self._clock.now())
        except PhotoChangerError:
            await remove_unused(self._store, key)
            raise

    async def job_photo(self, job_id: UUID) -> PublicFile:
        job = await self._jobs.get(job_id)
        result = public_result(job, self._clock.now())
        key = photo_key(result.file.key)
        try:
            size = await self._store.size(key)
        except MediaNotFound:
            raise MediaNotFound("This job has no preview of its photo.") from None
        file = StoredFile(key, size, f"photo-{result.file.sha256}")
        return PublicFile(file, "image/webp", result.expires_at, f"{job.slot_id}-{job.id}-photo.webp")

    async def _job(self, job_id: UUID) -> Job:
        try:
            return await self._jobs.get(job_id)
        except JobNotFound:
            raise MediaNotFound("Picture not found.") from None
