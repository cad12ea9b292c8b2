"""`POST /api/slots/{slot_id}/test-run`: a photo through the pipeline of guests' photos, with settings that may be
unsaved; `GET /api/slots/{slot_id}/test-runs`: the last ones, with the settings of each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, get, post
from litestar.params import FromPath
from litestar.types import ASGIApp
from msgspec.structs import asdict

from .....core.domain.accounts import Permission
from .....core.domain.errors import InvalidJson, InvalidMultipart, InvalidSettings
from .....core.domain.field_errors import FieldError, FieldErrorCode
from .....core.domain.job import JobSource
from .....core.domain.media import Photo
from .....core.domain.pagination import JobFilter, JobOrder
from .....core.domain.slots.slot import Slot
from .....core.ports.clock import Clock
from .....core.ports.job_queue import JobQueue
from .....core.ports.job_service import JobService
from .....core.ports.media_store import MediaStore
from .....core.ports.repositories.job_log import JobLog
from .....core.ports.repositories.job_repository import JobRepository
from .....core.services.costs.job_costs import JobCosts
from .....core.services.media.disk_space import DiskSpace
from .....core.services.media.removal import remove_unused
from .....core.services.settings.service import SettingsService
from .....core.services.slots.service import SlotService
from ....config import Settings
from ...protocol.disconnect import wait_for
from ...protocol.etag import json_response, personal_response
from ...protocol.json_body import MAX_JSON_BYTES, json_object
from ...protocol.links import UrlBuilder
from ...protocol.multipart import announced_bytes, read_form
from ...shutdown import Shutdown
from ..costs import currency_body
from ..jobs import JobSummary, job_detail, job_settings, job_summary

SLOT_FIELD = "slot"

SHOWN_RUNS = 8


class TestRun(JobSummary, kw_only=True):
    """A test run with the settings that it ran with."""

    settings: dict[str, Any]


class _TestForm:
    """The FormReader of a test run: the photo, and optionally the slot to test, as JSON."""

    def __init__(self, jobs: JobService, store: MediaStore, slot: Slot) -> None:
        self.document: dict[str, Any] | None = None
        self._jobs = jobs
        self._store = store
        self._slot = slot

    async def field(self, name: str, text: str) -> None:
        if name != SLOT_FIELD or self.document is not None:
            raise InvalidMultipart(
                f"The form must contain a picture and at most one field {SLOT_FIELD!r}, not {name[:64]!r}."
            )
        try:
            self.document = json_object(text)
        except InvalidJson as error:
            invalid = FieldError(SLOT_FIELD, FieldErrorCode.INVALID, {"message": error.detail})
            raise InvalidSettings([invalid]) from None

    async def file(self, data: AsyncIterator[bytes], filename: str | None) -> Photo:
        return await self._jobs.receive_photo(self._slot, data)

    async def discard(self, stored: Photo) -> None:
        await remove_unused(self._store, stored.file.key)

    async def end(self) -> None: ...


@post("/api/slots/{slot_id:str}/test-run", opt={"access": Permission.SLOTS_WRITE})
@inject
async def test_run(
    request: Request[Any, Any, Any],
    slot_id: FromPath[str],
    slots: FromDishka[SlotService],
    jobs: FromDishka[JobService],
    queue: FromDishka[JobQueue],
    job_log: FromDishka[JobLog],
    job_costs: FromDishka[JobCosts],
    store: FromDishka[MediaStore],
    space: FromDishka[DiskSpace],
    settings: FromDishka[SettingsService],
    config: FromDishka[Settings],
    clock: FromDishka[Clock],
    shutdown: FromDishka[Shutdown],
) -> ASGIApp:
    """Run a photo through the slot, even if it is inactive, and respond with the job at its end."""
    slot = await slots.get(slot_id)
    form = _TestForm(jobs, store, slot)
    max_bytes = (await settings.current()).max_upload_bytes
    async with space.reserve(announced_bytes(request, max_bytes)) as room:
        photo = await read_form(request, form, room=room, max_file_bytes=max_bytes, max_field_chars=MAX_JSON_BYTES)
    try:
        if form.document is not None:
            slot = await slots.check(slot.id, form.document)
        if not slot.route.entries:
            raise InvalidSettings([FieldError("route", FieldErrorCode.ROUTE_EMPTY)])
    except BaseException:
        await remove_unused(store, photo.file.key)
        raise
    job = await jobs.create(slot, photo, source=JobSource.TEST)
    job = await wait_for(request, job, jobs=jobs, queue=queue, clock=clock, shutdown=shutdown)
    links = UrlBuilder(request.scope, config.public_base_url)
    logs, costs = await job_log.entries(job.id), await job_costs.of_job(job)
    return json_response(job_detail(job, links, now=clock.now(), logs=logs, costs=costs))


@get("/api/slots/{slot_id:str}/test-runs", opt={"access": Permission.JOBS_READ})
@inject
async def list_test_runs(
    request: Request[Any, Any, Any],
    slot_id: FromPath[str],
    slots: FromDishka[SlotService],
    jobs: FromDishka[JobRepository],
    job_costs: FromDishka[JobCosts],
    settings: FromDishka[SettingsService],
    config: FromDishka[Settings],
    clock: FromDishka[Clock],
) -> ASGIApp:
    """The last test runs of the slot, newest first: jobs like all others, kept as long as they."""
    slot = await slots.get(slot_id)
    wanted = JobFilter(slot_id=slot.id, source=JobSource.TEST)
    found = (await jobs.find(wanted, order=JobOrder.NEWEST, limit=SHOWN_RUNS)).items
    costs = await job_costs.of_jobs(found)
    links, now = UrlBuilder(request.scope, config.public_base_url), clock.now()
    items = [
        TestRun(**asdict(job_summary(job, links, now=now, costs=costs)), settings=job_settings(job)) for job in found
    ]
    return personal_response(request, {"items": items, "currency": currency_body((await settings.current()).currency)})
