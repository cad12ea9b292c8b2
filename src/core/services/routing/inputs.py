"""What the calls of one job use: the photo and templates as a provider takes them, public links to them, and a place
for the pictures that come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec

from ...domain.errors import ImageTooLarge, MediaNotFound, UndecodableImage, UnsupportedMediaType
from ...domain.job import Job
from ...domain.media import MediaKey, MediaKind, Picture, PictureNeeds, StoredPicture, one_chunk
from ...domain.result_files import PublicBaseUrl
from ...ports.image_tool import ImageTool
from ...ports.media_service import MediaService
from ...ports.media_store import MediaStore
from ...ports.provider import NotConfigured, Rejected
from ..media.result_pictures import ResultPictures
from ..providers.registry import ProviderRegistry
from ..support.concurrency import TaskSet


class PublicLinks(msgspec.Struct, frozen=True):
    """Where a provider fetches a photo, and the templates by setting key."""

    photo: str
    templates: Mapping[str, str]


class JobInputsFactory:
    """Makes the inputs of jobs; holds the services that they need."""

    def __init__(
        self,
        *,
        pictures: ResultPictures,
        store: MediaStore,
        media: MediaService,
        images: ImageTool,
        providers: ProviderRegistry,
        public_base_url: PublicBaseUrl | None,
    ) -> None:
        self.pictures = pictures
        self.store = store
        self.media = media
        self.images = images
        self.providers = providers
        self.public_base_url = public_base_url

    @asynccontextmanager
    async def open(self, job: Job) -> AsyncIterator[JobInputs]:
        """Yield the inputs of a job; at the end, stop what is still being prepared."""
        inputs = JobInputs(job, self)
        try:
            yield inputs
        finally:
            await inputs.close()


class JobInputs:
    """The inputs of one job. Everything is made once for equal needs and shared between calls."""

    def __init__(self, job: Job, services: JobInputsFactory) -> None:
        self._job = job
        self._services = services
        self._tasks = TaskSet()
        self._photos: dict[PictureNeeds, asyncio.Task[Picture]] = {}
        self._templates: dict[PictureNeeds, Mapping[str, Picture]] = {}
        self._links: dict[PictureNeeds, PublicLinks] = {}

    def prepare_photo(self, needs: PictureNeeds) -> asyncio.Task[Picture]:
        """Begin to prepare the photo, unless that has begun."""
        if needs not in self._photos:
            self._photos[needs] = self._tasks.start(self._prepare_photo(needs), name=f"photo of job {self._job.id}")
        return self._photos[needs]

    async def photo(self, needs: PictureNeeds) -> Picture:
        """Return the photo within a provider's needs."""
        return await asyncio.shield(self.prepare_photo(needs))

    def smallest_photo(self) -> Picture | None:
        """Return the smallest form in which a provider took the photo; None where none did."""
        done = [task for task in self._photos.values() if task.done() and not task.cancelled() and not task.exception()]
        return min((task.result() for task in done), key=lambda picture: len(picture.data), default=None)

    async def templates(self, needs: PictureNeeds) -> Mapping[str, Picture]:
        """Return the slot's template pictures by setting key; Rejected where one is missing."""
        if needs not in self._templates:
            bindings = self._job.route.templates
            self._templates[needs] = {
                binding.setting_key: await self._template(binding.media_id, needs) for binding in bindings
            }
        return self._templates[needs]

    async def links(self, needs: PictureNeeds) -> PublicLinks:
        """Return public links to photo and templates, which end with the job; NotConfigured without a public URL."""
        if self._services.public_base_url is None:
            raise NotConfigured("The provider fetches photos by public links. Set PHOTOCHANGER_PUBLIC_BASE_URL.")
        if needs not in self._links:
            templates = await self.templates(needs)
            self._links[needs] = PublicLinks(
                await self._link(await self.photo(needs)),
                {key: await self._link(template) for key, template in templates.items()},
            )
        return self._links[needs]

    async def store_picture(self, data: bytes) -> StoredPicture:
        """Normalise and store a provider's answer.

        Raises UnsupportedMediaType, UndecodableImage, ImageTooLarge where it is not a usable picture.
        """
        return await self._services.pictures.store(self._job.id, data, limits=self._services.providers.limits)

    async def discard_picture(self, picture: StoredPicture) -> None:
        """Remove a stored answer that the job does not end with."""
        await self._services.pictures.discard(picture)

    async def close(self) -> None:
        """Stop what is still being prepared."""
        await self._tasks.cancel()

    async def _prepare_photo(self, needs: PictureNeeds) -> Picture:
        async with self._services.store.local(self._job.photo.file.key) as path:
            return await self._services.images.prepare(path, needs)

    async def _template(self, media_id: str, needs: PictureNeeds) -> Picture:
        try:
            async with self._services.store.local(MediaKey(MediaKind.TEMPLATES, media_id)) as path:
                return await self._services.images.prepare(path, needs)
        except (MediaNotFound, UndecodableImage, UnsupportedMediaType, ImageTooLarge) as error:
            raise Rejected(f"The template {media_id} cannot be used: {error.detail}") from error

    async def _link(self, picture: Picture) -> str:
        media = await self._services.media.register(
            one_chunk(picture.data), mime=picture.mime, max_bytes=len(picture.data), job=self._job
        )
        return f"{self._services.public_base_url}/public/media/{media.id}"
