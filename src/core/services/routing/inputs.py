"""What the calls of one job use: the photo and templates as a provider takes them, public links to them, and a place
for the pictures that come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

import msgspec

from ...domain.deadlines import LATE_RESCUE, storage_patience
from ...domain.errors import ImageTooLarge, MediaNotFound, StorageUnavailable, UndecodableImage, UnsupportedMediaType
from ...domain.job import Job
from ...domain.media import MediaKey, MediaKind, MediaObject, Picture, PictureNeeds, StoredPicture, one_chunk
from ...domain.results.files import PublicBaseUrl
from ...domain.routing.failure_cause import FailureCause
from ...ports.clock import Clock
from ...ports.image_tool import ImageTool, LaterPreview
from ...ports.media_service import MediaService
from ...ports.media_store import MediaStore
from ...ports.provider import NotConfigured, OperationInfo, Rejected
from ..media.picture_needs import photo_needs, template_needs
from ..media.result_pictures import ResultPictures
from ..media.storage_retry import StorageRetry
from ..providers.registry import ProviderRegistry
from ..support.concurrency import TaskSet, result_of


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
        clock: Clock,
    ) -> None:
        self.pictures = pictures
        self.store = store
        self.media = media
        self.images = images
        self.providers = providers
        self.public_base_url = public_base_url
        self.clock = clock

    @asynccontextmanager
    async def open(self, job: Job, *, until: datetime, with_previews: Callable[[], bool]) -> AsyncIterator[JobInputs]:
        """Yield the inputs of a job whose route ends at `until`; at the end, stop what is still being prepared.

        `with_previews` is asked whether previews are made, of the photo and of each picture that comes back.
        """
        inputs = JobInputs(job, self, until, with_previews=with_previews)
        try:
            yield inputs
        finally:
            await inputs.close()


class JobInputs:
    """The inputs of one job. Everything is made once for equal needs and shared between calls.

    Faults of the media store are waited out: for the photo and for pictures that come back as long as there is time,
    for what a single entry needs (templates, links) a part of it; then StorageUnavailable.
    """

    def __init__(
        self, job: Job, services: JobInputsFactory, until: datetime, *, with_previews: Callable[[], bool]
    ) -> None:
        self._job = job
        self._with_previews = with_previews
        self._services = services
        self._tasks = TaskSet()
        self._photos: dict[PictureNeeds, asyncio.Task[Picture]] = {}
        self._photo_preview: LaterPreview | None = None
        self._templates: dict[tuple[PictureNeeds, tuple[str, ...]], Mapping[str, Picture]] = {}
        self._links: dict[tuple[PictureNeeds, tuple[str, ...]], PublicLinks] = {}
        clock, what = services.clock, f"job {job.id}"
        kept_until = until + LATE_RESCUE if job.route.late_rescue else until
        self._of_photo = StorageRetry(clock, what=what, until=until)
        self._of_pictures = StorageRetry(clock, what=what, until=kept_until)
        patience = storage_patience(until - job.created_at)
        self._of_entry = StorageRetry(clock, what=what, until=until, patience=patience)

    @property
    def fault(self) -> StorageUnavailable | None:
        """The fault of the media store that holds the job up now."""
        return self._of_photo.fault or self._of_pictures.fault or self._of_entry.fault

    def prepare_photo(self, needs: PictureNeeds) -> asyncio.Task[Picture]:
        """Begin to prepare the photo, unless that has begun."""
        needs = photo_needs(needs, self._job.route)
        if needs not in self._photos:
            prepare = self._prepare_photo(needs, with_preview=not self._photos and self._with_previews())
            self._photos[needs] = self._tasks.start(prepare, name=f"photo of job {self._job.id}")
        return self._photos[needs]

    async def photo(self, needs: PictureNeeds) -> Picture:
        """Return the photo within a provider's needs."""
        return await result_of(self.prepare_photo(needs))

    @property
    def photo_preview(self) -> LaterPreview | None:
        """The preview of the photo, which follows its first preparation; None where none is made."""
        return self._photo_preview

    async def templates(self, operation: OperationInfo) -> Mapping[str, Picture]:
        """Return the slot's templates that the operation takes, by setting key; Rejected where one is missing."""
        key = operation.needs, operation.template_roles
        if key not in self._templates:
            bindings = [one for one in self._job.route.templates if one.setting_key in operation.template_roles]
            self._templates[key] = {
                binding.setting_key: await self._template(binding.media_id, operation.needs) for binding in bindings
            }
        return self._templates[key]

    async def links(self, operation: OperationInfo) -> PublicLinks:
        """Return public links to photo and templates, which end with the job; NotConfigured without a public URL."""
        if self._services.public_base_url is None:
            raise NotConfigured("The provider fetches photos by public links. Set PHOTOCHANGER_PUBLIC_BASE_URL.")
        key = operation.needs, operation.template_roles
        if key not in self._links:
            templates = await self.templates(operation)
            self._links[key] = PublicLinks(
                await self._link(await self.photo(operation.needs)),
                {key: await self._link(template) for key, template in templates.items()},
            )
        return self._links[key]

    async def store_picture(self, data: bytes) -> tuple[StoredPicture, LaterPreview]:
        """Normalise and store a provider's answer; also return its preview.

        Raises UnsupportedMediaType, UndecodableImage, ImageTooLarge where it is not a usable picture.
        """
        return await self._services.pictures.store(
            self._job.id,
            data,
            limits=self._services.providers.limits,
            with_preview=self._with_previews(),
            retry=self._of_pictures,
        )

    async def discard_picture(self, picture: StoredPicture) -> None:
        """Remove a stored answer that the job does not end with."""
        await self._services.pictures.discard(picture)

    async def close(self) -> None:
        """Stop what is still being prepared."""
        await self._tasks.cancel()

    async def _prepare_photo(self, needs: PictureNeeds, *, with_preview: bool) -> Picture:
        async def prepare() -> Picture:
            images = self._services.images
            try:
                async with self._services.store.local(self._job.photo.file.key) as path:
                    if not with_preview:
                        return await images.prepare(path, needs)
                    prepared = await images.prepare_with_preview(path, needs)
                    self._photo_preview = prepared.preview
                    return prepared.picture
            except MediaNotFound as error:  # it was there: the store may be, too, in a moment
                raise StorageUnavailable(f"The photo is missing. {error.detail}") from error

        return await self._of_photo.run(prepare)

    async def _template(self, media_id: str, needs: PictureNeeds) -> Picture:
        async def prepare() -> Picture:
            async with self._services.store.local(MediaKey(MediaKind.TEMPLATES, media_id)) as path:
                return await self._services.images.prepare(path, template_needs(needs))

        try:
            return await self._of_entry.run(prepare)
        except (MediaNotFound, UndecodableImage, UnsupportedMediaType, ImageTooLarge) as error:
            reason = f"The template {media_id} cannot be used: {error.detail}"
            raise Rejected(reason, cause=FailureCause.TEMPLATE_MISSING) from error

    async def _link(self, picture: Picture) -> str:
        async def register() -> MediaObject:
            return await self._services.media.register(
                one_chunk(picture.data), mime=picture.mime, max_bytes=len(picture.data), job=self._job
            )

        media = await self._of_entry.run(register)
        return f"{self._services.public_base_url}/public/media/{media.id}"
