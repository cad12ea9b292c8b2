"""`POST /ingest/{slot_id}`: receive a photo and hold the connection until its picture is ready."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from typing import Any

from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, post
from litestar.types import ASGIApp

from ....core.domain.errors import InvalidRequest, PhotoChangerError, ShuttingDown, UploadInterrupted
from ....core.domain.ingest_request import PASSWORD_FIELD
from ....core.domain.job import Job
from ....core.domain.slots.slot import Slot
from ....core.domain.trace_context import IngestOutcome, ingest_outcome
from ....core.ports.clock import Clock
from ....core.ports.job_queue import JobQueue
from ....core.ports.job_service import JobService
from ....core.ports.media_store import MediaStore
from ....core.ports.repositories.result_index import ResultIndex
from ....core.ports.telemetry import Telemetry
from ....core.services.auth.ingest_password import AuthService
from ....core.services.jobs.resends import LiveRequests
from ....core.services.media.removal import remove_unused
from ....core.services.media.upload_budget import UploadBudget
from ....core.services.settings.service import SettingsService
from ....core.services.slots.styles import SlotStyles
from ....core.services.support.availability import UntilAvailable
from ... import logging_setup as logs
from ...config import Settings
from ...log_limit import BY_STRANGER
from ..auth.access import PublicAccess, address_of
from ..extensions import age_of, connection_of
from ..protocol.body import ClientGone
from ..protocol.disconnect import wait_for
from ..protocol.job_response import accepted_response, final_response, given_up_response
from ..protocol.links import UrlBuilder
from ..protocol.multipart import announced_bytes, observer_of, read_form
from ..protocol.problems import STATUS
from ..shutdown import Shutdown
from .address import key_of
from .camera_form import CameraForm
from .credentials import offered_password
from .early_body import EarlyBody

_log = logging.getLogger("photochanger.http")

_KEY = re.compile(r"[\x21-\x7e]{1,255}\Z")
_UPLOAD_SLACK = timedelta(seconds=0.5)
"""What waits for the database while a form is read ends before the form itself."""

_WITHOUT_PICTURE = (IngestOutcome.REFUSED, IngestOutcome.UNAVAILABLE, IngestOutcome.GONE)


@post(["/ingest/{slot_id:str}", "/ingest/by/{style:str}"], opt={"access": PublicAccess.PUBLIC})
@inject
async def ingest(
    request: Request[Any, Any, Any],
    auth: FromDishka[AuthService],
    styles: FromDishka[SlotStyles],
    jobs: FromDishka[JobService],
    queue: FromDishka[JobQueue],
    results: FromDishka[ResultIndex],
    settings: FromDishka[SettingsService],
    store: FromDishka[MediaStore],
    live_requests: FromDishka[LiveRequests],
    budget: FromDishka[UploadBudget],
    config: FromDishka[Settings],
    clock: FromDishka[Clock],
    shutdown: FromDishka[Shutdown],
    telemetry: FromDishka[Telemetry],
) -> ASGIApp:
    """Receive a photo and respond with its picture, a promise of it (202), or a problem."""
    with _measured(clock, telemetry) as measured, EarlyBody(request.receive) as body:
        key = _idempotency_key(request)
        preference = _Preference(request.headers.getall("prefer", []))
        address = address_of(request)
        received_at = clock.now() - age_of(request.scope)
        # One limit for everything that this request waits for: the database, its own upload, its place in the queue.
        available = UntilAvailable(clock, received_at + settings.sync_window)
        slot = await body.during(available(lambda: _admit(request, jobs, styles)))
        logs.slot_id.set(slot.id)
        await body.during(available(lambda: auth.expect(slot)))
        max_bytes = (await body.during(available(settings.last_known))).max_upload_bytes
        async with budget.upload(address, size_bytes=announced_bytes(request, max_bytes)) as upload:
            form = CameraForm(
                slot, upload=upload, jobs=jobs, store=store, auth=auth, available=available, idempotency_key=key
            )
            if (address_key := key_of(request.scope)) is not None:
                observer_of(request).field(PASSWORD_FIELD, "")
                await form.require(address_key)
            elif (offered := offered_password(request.headers.get("authorization", ""))) is not None:
                observer_of(request).field(PASSWORD_FIELD, "")
                await form.offer(offered)
            async with _within_window(clock, available.until):
                photo = await read_form(request, form, room=upload, max_file_bytes=max_bytes, receive=body.receive)
        links = UrlBuilder(request.scope, config.public_base_url)
        async with live_requests.request(slot.id, photo, _is_gone(request), until=available.until) as live:
            if (job := live.job) is None:
                job = await jobs.create(
                    slot,
                    photo,
                    metadata=form.metadata,
                    idempotency_key=key,
                    received_at=received_at,
                    patience=preference.patience,
                )
                live.note_job(job)
            else:
                await remove_unused(store, photo.file.key)
            logs.job_id.set(str(job.id))
            until = preference.until(job)
            try:
                job = await wait_for(
                    request, job, jobs=jobs, queue=queue, clock=clock, shutdown=shutdown, until=until, live=live
                )
            except ShuttingDown as error:
                return given_up_response(error, job, links)
        measured.outcome = ingest_outcome(job)
        if not job.state.finalized or (preference.applied and job.may_get_late_picture(clock.now())):
            return accepted_response(job, links, applied=preference.applied)
        return await final_response(job, links, store, results, queue, clock)


async def _admit(request: Request[Any, Any, Any], jobs: JobService, styles: SlotStyles) -> Slot:
    """The slot of the address, by its id or its name. SlotNotFound, SlotDisabled, QueueUnavailable."""
    named = request.path_params
    return await jobs.admit(named["slot_id"] if "slot_id" in named else await styles.slot_id(named["style"]))


def _is_gone(request: Request[Any, Any, Any]) -> Callable[[], bool]:
    connection = connection_of(request.scope)
    return lambda: connection is not None and connection.is_client_gone


class _Measured:
    outcome = IngestOutcome.UNAVAILABLE


@contextmanager
def _measured(clock: Clock, telemetry: Telemetry) -> Iterator[_Measured]:
    """Count and log the block as one ingest request with its outcome and duration."""
    started = clock.monotonic()
    measured = _Measured()
    try:
        yield measured
    except BaseException as error:
        measured.outcome = _outcome_of(error)
        raise
    finally:
        took = clock.monotonic() - started
        telemetry.answered(logs.slot_id.get(), measured.outcome, took=took)
        strange = {BY_STRANGER: measured.outcome in _WITHOUT_PICTURE, "kind": measured.outcome}
        _log.info("ingest: %s after %.2f s", measured.outcome, took.total_seconds(), extra=strange)


@asynccontextmanager
async def _within_window(clock: Clock, until: datetime) -> AsyncIterator[None]:
    """Receive an upload in this block; UploadInterrupted where it is slower than the sync window."""
    limit = clock.timeout_at(until + _UPLOAD_SLACK)
    try:
        async with limit:
            yield
    except TimeoutError:
        if clock.now() < until:
            raise
        raise UploadInterrupted("The photo did not arrive completely within the sync window.") from None


def _outcome_of(error: BaseException) -> IngestOutcome:
    if isinstance(error, ClientGone | asyncio.CancelledError):
        return IngestOutcome.GONE
    refused = isinstance(error, PhotoChangerError) and STATUS.get(error.code, 500) < 500
    return IngestOutcome.REFUSED if refused else IngestOutcome.UNAVAILABLE


def _idempotency_key(request: Request[Any, Any, Any]) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.match(key):
        raise InvalidRequest("The Idempotency-Key must be 1 to 255 visible ASCII characters.")
    return key


class _Preference:
    """The client's preference (RFC 7240): `respond-async` or `wait=N`; everything else is ignored."""

    def __init__(self, headers: list[str]) -> None:
        self.applied = ""
        self.patience: timedelta | None = None
        """How long to hold the request; None: to its end."""
        for preference in ",".join(headers).split(","):
            name, _, value = preference.partition(";")[0].strip().lower().partition("=")
            value = value.strip().strip('"')
            if name.strip() == "respond-async" and self.patience is None:
                self.patience, self.applied = timedelta(0), "respond-async"
            elif name.strip() == "wait" and value.isascii() and value.isdigit() and len(value) < 7:
                self.patience, self.applied = timedelta(seconds=int(value)), f"wait={int(value)}"

    def until(self, job: Job) -> datetime | None:
        """When to stop holding the request; None: at the job's deadline, when it ends with its final response."""
        if self.patience is None or job.created_at + self.patience >= job.expires_at:
            return None
        return job.created_at + self.patience
