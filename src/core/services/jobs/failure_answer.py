"""Failure answers that are pictures: the photo itself, or the photo after a `local` operation."""

from __future__ import annotations

import logging

from ...domain.errors import PhotoChangerError
from ...domain.job import Job
from ...domain.media import ImageLimits, MediaKey, MediaKind, Picture, PictureNeeds
from ...domain.routing.prompts import filled
from ...domain.slots.slot import FailureAnswer
from ...ports.image_tool import ImageTool
from ...ports.media_store import MediaStore
from ...ports.provider import OperationInfo, ProviderRequest
from ..media.picture_needs import photo_needs, template_needs
from ..providers.registry import ProviderRegistry

_log = logging.getLogger("photochanger.jobs")

_LOCAL = "local"
_ANYTHING = PictureNeeds(
    mimes=("image/jpeg", "image/png", "image/webp"),
    max_bytes=256 * 1024 * 1024,
    max_pixels=1_000_000_000,
    keep_transparency=True,
)


async def _no_reference(reference: str) -> None:
    """Ignore the reference: a failure answer is never resumed."""


class FailurePictures:
    """Makes the pictures of failure answers."""

    def __init__(self, store: MediaStore, images: ImageTool, providers: ProviderRegistry) -> None:
        self._store = store
        self._images = images
        self._providers = providers

    @property
    def limits(self) -> ImageLimits:
        """Limits of the pictures made here."""
        return self._providers.limits

    async def picture_for(self, job: Job) -> bytes:
        """The failure answer of a job whose failure answer is a picture.

        Raises what reading and preparing the photo raises, and ProviderError.
        """
        if job.route.failure_answer is FailureAnswer.ORIGINAL:
            async with self._store.local(job.photo.file.key) as path:
                return (await self._images.prepare(path, _ANYTHING)).data
        branded = job.route.branded
        provider, operation = self._providers.find(_LOCAL, branded.operation_id)
        async with self._store.local(job.photo.file.key) as path:
            photo = await self._images.prepare(path, photo_needs(operation.needs, job.route))
        request = ProviderRequest(
            job_id=job.id,
            operation_id=operation.id,
            settings=filled(branded.settings, operation.prompts, fields=job.route.prompt_fields, metadata=job.metadata),
            photo=photo,
            templates=await self._templates(job, operation),
            until=job.expires_at,
            note_reference=_no_reference,
        )
        return (await provider.process(request)).data

    async def _templates(self, job: Job, operation: OperationInfo) -> dict[str, Picture]:
        """The slot's templates for the operation, without those that cannot be read: the answer is due now."""
        templates: dict[str, Picture] = {}
        for binding in job.route.templates:
            if binding.setting_key in operation.template_roles:
                try:
                    async with self._store.local(MediaKey(MediaKind.TEMPLATES, binding.media_id)) as path:
                        picture = await self._images.prepare(path, template_needs(operation.needs))
                    templates[binding.setting_key] = picture
                except PhotoChangerError as error:
                    _log.warning("failure answer of job %s lacks a template: %s", job.id, error.detail)
        return templates
