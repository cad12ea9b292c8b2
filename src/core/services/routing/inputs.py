"""What one job lends to the calls of its route: its photo and templates as a provider takes them, links to them, and a
place for the pictures that come back."""

from __future__ import annotations

from collections.abc import Mapping

from ...domain.errors import (
    ImageTooLarge,
    MediaNotFound,
    UndecodableImage,
    UnsupportedMediaType,
)
from ...domain.job import Job
from ...domain.media import (
    MediaKey,
    MediaKind,
    Picture,
    PictureNeeds,
    StoredPicture,
    one_chunk,
)
from ...ports.image_tool import ImageTool
from ...ports.media_service import MediaService
from ...ports.media_store import MediaStore
from ...ports.provider import NotConfigured, Rejected
from ..jobs.completion import JobCompletion
from ..providers.registry import ProviderRegistry
from .attempt import PublicLinks


class JobMaterials:
    """The Materials of one job. Everything is made once for equal needs and shared between attempts."""

    def __init__(
        self,
        job: Job,
        *,
        completion: JobCompletion,
        store: MediaStore,
        media: MediaService,
        images: ImageTool,
        providers: ProviderRegistry,
        public_base_url: str | None,
    ) -> None:
        self._job = job
        self._completion = completion
        self._store = store
        self._media = media
        self._images = images
        self._providers = providers
        self._public_base_url = public_base_url
        self._photos: dict[PictureNeeds, Picture] = {}
        self._templates: dict[PictureNeeds, Mapping[str, Picture]] = {}
        self._links: dict[PictureNeeds, PublicLinks] = {}
        self._kept: list[StoredPicture] = []

    async def photo(self, needs: PictureNeeds) -> Picture:
        if needs not in self._photos:
            async with self._store.local(self._job.photo.file.key) as path:
                self._photos[needs] = await self._images.prepare(path, needs)
        return self._photos[needs]

    def taken_photo(self) -> Picture | None:
        """The smallest form in which a provider took the photo; None where none did."""
        return min(self._photos.values(), key=lambda picture: len(picture.data), default=None)

    async def templates(self, needs: PictureNeeds) -> Mapping[str, Picture]:
        if needs not in self._templates:
            bindings = self._job.route.templates
            self._templates[needs] = {
                binding.setting_key: await self._template(binding.media_id, needs) for binding in bindings
            }
        return self._templates[needs]

    async def links(self, needs: PictureNeeds) -> PublicLinks:
        if self._public_base_url is None:
            raise NotConfigured(
                "The provider fetches photos by public links; PHOTOCHANGER_PUBLIC_BASE_URL has to be set for that."
            )
        if needs not in self._links:
            templates = await self.templates(needs)
            self._links[needs] = PublicLinks(
                await self._link(await self.photo(needs)),
                {key: await self._link(template) for key, template in templates.items()},
            )
        return self._links[needs]

    async def keep(self, data: bytes) -> StoredPicture:
        picture = await self._completion.store_picture(self._job, data, limits=self._providers.limits)
        self._kept.append(picture)
        return picture

    async def discard(self, *, but: StoredPicture | None) -> None:
        """Remove the pictures that came back and ended nothing: too late, or second in a hedge."""
        kept, self._kept = self._kept, []
        for picture in kept:
            if picture != but:
                await self._completion.discard_picture(picture)

    async def _template(self, media_id: str, needs: PictureNeeds) -> Picture:
        try:
            async with self._store.local(MediaKey(MediaKind.TEMPLATES, media_id)) as path:
                return await self._images.prepare(path, needs)
        except (MediaNotFound, UndecodableImage, UnsupportedMediaType, ImageTooLarge) as error:
            raise Rejected(f"The template {media_id} cannot be used: {error.detail}") from error

    async def _link(self, picture: Picture) -> str:
        media = await self._media.register(
            one_chunk(picture.data), mime=picture.mime, max_bytes=len(picture.data), job=self._job
        )
        return f"{self._public_base_url}/public/media/{media.id}"
