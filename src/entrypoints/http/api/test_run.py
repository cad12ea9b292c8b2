"""`POST /api/slots/{slot_id}/test-run`: a photo through the very pipeline that guests' photos take, with settings that
need not be stored yet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from litestar import Request, post
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ....core.domain.errors import (
    InvalidJson,
    InvalidMultipart,
    InvalidSettings,
    PayloadTooLarge,
)
from ....core.domain.field_errors import FieldError, FieldErrorCode
from ....core.domain.job import JobSource
from ....core.domain.media import Photo
from ....core.domain.slot import Slot
from ....core.ports.job_service import JobService
from ....core.ports.media_store import MediaStore
from ..dependencies import HttpServices
from ..protocol.disconnect import wait_for
from ..protocol.etag import json_response
from ..protocol.json_body import MAX_JSON_BYTES, json_object
from ..protocol.links import UrlBuilder
from ..protocol.multipart import FORM_OVERHEAD_BYTES, read_form
from .jobs import job_detail

SLOT_FIELD = "slot"


class _TestForm:
    """The FormReader of a test run: the photo, and the slot as it is to be tried, as JSON."""

    def __init__(self, jobs: JobService, store: MediaStore, slot: Slot) -> None:
        self.document: dict[str, Any] | None = None
        self._jobs = jobs
        self._store = store
        self._slot = slot

    async def field(self, name: str, text: str) -> None:
        if name != SLOT_FIELD or self.document is not None:
            raise InvalidMultipart(f"The form takes a picture and one field {SLOT_FIELD!r}, not {name[:64]!r}.")
        try:
            self.document = json_object(text)
        except InvalidJson as error:
            invalid = FieldError(SLOT_FIELD, FieldErrorCode.INVALID, {"message": error.detail})
            raise InvalidSettings([invalid]) from None

    async def file(self, data: AsyncIterator[bytes], filename: str | None) -> Photo:
        return await self._jobs.receive_photo(self._slot, data)

    async def discard(self, kept: Photo) -> None:
        await self._store.delete(kept.file.key)

    def end(self) -> None:
        """The picture alone is enough."""


@post("/api/slots/{slot_id:str}/test-run", opt={"access": Permission.SLOTS_WRITE})
async def test_run(request: Request[Any, Any, Any]) -> ASGIApp:
    """Run a photo through the slot, active or not, and answer with the job at its end, picture or not."""
    services: HttpServices = request.app.state.services
    slot = await services.slots.get(request.path_params["slot_id"])
    max_bytes = (await services.settings.current()).max_upload_bytes + FORM_OVERHEAD_BYTES
    if (request.content_length or 0) > max_bytes:
        raise PayloadTooLarge("The request is larger than is accepted.")
    form = _TestForm(services.jobs, services.store, slot)
    content_type = request.headers.get("content-type", "")
    photo = await read_form(
        request.receive, content_type, max_bytes=max_bytes, reader=form, max_field_chars=MAX_JSON_BYTES
    )
    try:
        if form.document is not None:
            slot = await services.slots.check(slot.id, form.document)
        if not slot.route.entries:
            raise InvalidSettings([FieldError("route", FieldErrorCode.ROUTE_EMPTY)])
    except BaseException:
        await services.store.delete(photo.file.key)
        raise
    job = await services.jobs.create(slot, photo, source=JobSource.TEST)
    job = await wait_for(request.receive, services, job, None)
    logs = await services.job_log.entries(job.id)
    links = UrlBuilder(request.scope, services.public_base_url)
    return json_response(job_detail(job, links, now=services.clock.now(), logs=logs))
