"""Failure answers that are pictures: the camera's photo itself, or the photo through a `local` operation."""

from __future__ import annotations

import logging

from ..errors import PhotoChangerError
from ..jobs import Job
from ..media import MIME_EXTENSIONS, Picture, PictureNeeds
from ..ports.clock import Clock
from ..ports.media import ImageTool, MediaStore
from ..ports.providers import ProviderError, ProviderRequest
from ..slots import FailureAnswer
from .catalogue import ProviderCatalogue

_log = logging.getLogger("photochanger.fallback")

_LOCAL = "local"
_ANYTHING = PictureNeeds(
    mimes=("image/jpeg", "image/png", "image/webp"), max_bytes=256 * 1024 * 1024, max_pixels=1_000_000_000
)


async def _no_reference(reference: str) -> None:
    """A failure answer is made once and never resumed, so there is nothing to note."""


class FallbackPictures:
    """Makes the picture of a failure answer; the job ends without one rather than not at all when that fails."""

    def __init__(self, store: MediaStore, images: ImageTool, providers: ProviderCatalogue, clock: Clock) -> None:
        self._store = store
        self._images = images
        self._providers = providers
        self._clock = clock

    async def picture_for(self, job: Job) -> Picture | None:
        """The picture that answers for a failed job; None for the failure answer `error` or where none can be made."""
        if job.route.failure_answer is FailureAnswer.ERROR:
            return None
        try:
            async with self._clock.timeout_at(job.expires_at):
                return await self._make(job)
        except (PhotoChangerError, ProviderError, TimeoutError) as error:
            _log.warning("failure answer of job %s could not be made: %s", job.id, error or "no time left")
            return None

    async def _make(self, job: Job) -> Picture:
        if job.route.failure_answer is FailureAnswer.ORIGINAL:
            async with self._store.local(job.photo.file.key) as path:
                return await self._images.prepare(path, _ANYTHING)
        branded = job.route.branded
        provider, operation = self._providers.find(_LOCAL, branded.operation_id)
        async with self._store.local(job.photo.file.key) as path:
            photo = await self._images.prepare(path, operation.needs)
        request = ProviderRequest(
            job_id=job.id,
            operation_id=operation.id,
            settings=branded.settings,
            photo=photo,
            until=job.expires_at,
            note_reference=_no_reference,
        )
        made = await provider.process(request)
        picture = await self._images.verify(made.data, limits=self._providers.limits)
        assert picture.mime in MIME_EXTENSIONS
        return picture
