"""`POST /ingest/{slot_id}`: a photo comes in, and the same connection waits for the picture."""

from __future__ import annotations

import asyncio
import logging
import re
from datetime import datetime, timedelta
from typing import Any

from litestar import Request, post
from litestar.types import ASGIApp

from ....core.domain.errors import InvalidRequest, PayloadTooLarge, PhotoChangerError
from ....core.domain.job import Job
from ....core.domain.slot import Slot
from ....core.domain.trace_context import IngestOutcome, ingest_outcome
from ....core.services.support.concurrency import gather_in_order
from ... import logging_setup as logs
from ..auth.access import PublicAccess, address_of
from ..dependencies import HttpServices
from ..protocol.disconnect import wait_for
from ..protocol.job_response import accepted_response, final_response
from ..protocol.links import UrlBuilder
from ..protocol.multipart import FORM_OVERHEAD_BYTES, ClientGone
from ..protocol.problems import STATUS, problem_of_job
from .camera_form import read_camera_form
from .recorder import RequestRecorder

_log = logging.getLogger("photochanger.http")

_KEY = re.compile(r"[\x21-\x7e]{1,255}\Z")


@post("/ingest/{slot_id:str}", opt={"access": PublicAccess.PUBLIC})
async def ingest(request: Request[Any, Any, Any]) -> ASGIApp:
    """Take a photo, wait for its picture."""
    services: HttpServices = request.app.state.services
    began = services.clock.monotonic()
    told = _Told()
    seen = RequestRecorder(request, services, request.path_params["slot_id"])
    try:
        return await _answer(request, services, told, seen)
    except BaseException as error:
        told.outcome = _outcome_of(error)
        seen.failed(error)
        raise
    finally:
        took = services.clock.monotonic() - began
        services.telemetry.answered(told.slot_id, told.outcome, took=took)
        _log.info("ingest: %s after %.2f s", told.outcome, took.total_seconds())


class _Told:
    """What is known of a request when it is answered."""

    slot_id: str | None = None
    outcome: IngestOutcome = IngestOutcome.UNAVAILABLE

    def slot(self, slot: Slot) -> None:
        self.slot_id = slot.id
        logs.slot_id.set(slot.id)

    def job(self, job: Job) -> None:
        self.outcome = ingest_outcome(job)


def _outcome_of(error: BaseException) -> IngestOutcome:
    if isinstance(error, ClientGone | asyncio.CancelledError):
        return IngestOutcome.GONE
    at_fault = isinstance(error, PhotoChangerError) and STATUS.get(error.code, 500) < 500
    return IngestOutcome.REFUSED if at_fault else IngestOutcome.UNAVAILABLE


async def _answer(
    request: Request[Any, Any, Any], services: HttpServices, told: _Told, seen: RequestRecorder
) -> ASGIApp:
    slot_id: str = request.path_params["slot_id"]
    links = UrlBuilder(request.scope, services.public_base_url)
    key = _idempotency_key(request)
    preference = _Preference(request.headers.getall("prefer", []))
    address = address_of(request)
    _, (slot, settings) = await gather_in_order(
        services.auth.check_throttle(address),
        gather_in_order(services.jobs.admit(slot_id), services.settings.current()),
    )
    told.slot(slot)
    max_bytes = settings.max_upload_bytes + FORM_OVERHEAD_BYTES
    if (request.content_length or 0) > max_bytes:
        raise PayloadTooLarge("The request is larger than is accepted.")
    photo, metadata = await read_camera_form(
        request.receive,
        request.headers.get("content-type", ""),
        max_bytes=max_bytes,
        check_password=seen.check_password,
        receive_photo=lambda data: services.jobs.receive_photo(slot, data),
        discard_photo=lambda photo: services.store.delete(photo.file.key),
        watch=seen,
    )
    job = await services.jobs.create(slot, photo, metadata=metadata, idempotency_key=key)
    logs.job_id.set(str(job.id))
    seen.job_id = job.id
    job = await wait_for(request.receive, services, job, preference.until(job))
    told.job(job)
    if not job.state.finalized:
        answer = accepted_response(job, links, applied=preference.applied)
    else:
        answer = await final_response(job, links, services.store, services.results, services.clock)
    ended_without = job.state.finalized and job.result is None
    seen.answered(answer.status_code, problem_of_job(job) if ended_without else None)
    return answer


def _idempotency_key(request: Request[Any, Any, Any]) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.match(key):
        raise InvalidRequest("An Idempotency-Key has 1 to 255 visible ASCII characters.")
    return key


class _Preference:
    """What the client prefers (RFC 7240): `respond-async`, `wait=N`; what is not understood is ignored."""

    def __init__(self, headers: list[str]) -> None:
        self.applied = ""
        self._wait: timedelta | None = None
        for preference in ",".join(headers).split(","):
            name, _, value = preference.partition(";")[0].strip().lower().partition("=")
            value = value.strip().strip('"')
            if name.strip() == "respond-async" and self._wait is None:
                self._wait, self.applied = timedelta(0), "respond-async"
            elif name.strip() == "wait" and value.isascii() and value.isdigit() and len(value) < 7:
                self._wait, self.applied = timedelta(seconds=int(value)), f"wait={int(value)}"

    def until(self, job: Job) -> datetime | None:
        """Until when to hold the request; None: until the job's deadline, whose answer is not a promise."""
        if self._wait is None or job.created_at + self._wait >= job.expires_at:
            return None
        return job.created_at + self._wait
