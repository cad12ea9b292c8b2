"""`POST /ingest/{slot_id}`: a photo comes in, and the same connection waits for the picture."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime, timedelta
from typing import Any

from litestar import Request, post
from litestar.types import ASGIApp, Receive, Scope, Send

from ...core.errors import InvalidRequest, PayloadTooLarge
from ...core.jobs import Job
from .answers import accepted_response, final_response
from .links import Links
from .services import HttpServices
from .upload import FORM_OVERHEAD_BYTES, ClientGone, read_form

_KEY = re.compile(r"[\x21-\x7e]{1,255}\Z")


@post("/ingest/{slot_id:str}")
async def ingest(request: Request[Any, Any, Any]) -> ASGIApp:
    """Take a photo, wait for its picture."""
    slot_id: str = request.path_params["slot_id"]
    services: HttpServices = request.app.state.services
    links = Links(request.scope, services.public_base_url)
    key = _idempotency_key(request)
    preference = _Preference(request.headers.getall("prefer", []))
    address = request.client.host if request.client else "unknown"
    services.auth.check_throttle(address)
    slot = await services.jobs.admit(slot_id)
    max_bytes = (await services.settings.current()).max_upload_bytes + FORM_OVERHEAD_BYTES
    if (request.content_length or 0) > max_bytes:
        raise PayloadTooLarge("The request is larger than is accepted.")
    try:
        photo, metadata = await read_form(
            request.receive,
            request.headers.get("content-type", ""),
            max_bytes=max_bytes,
            check_password=lambda password: services.auth.check_ingest_password(password, address=address),
            receive_photo=lambda data: services.jobs.receive_photo(slot, data),
            discard_photo=services.jobs.discard_photo,
        )
        job = await services.jobs.create(slot, photo, metadata=metadata, idempotency_key=key)
        until = preference.until(job)
        job = await _wait(request.receive, services, job, until)
    except ClientGone:
        return _nobody
    if not job.state.finalized:
        return accepted_response(job, links, applied=preference.applied)
    return await final_response(job, links, services.store, services.jobs)


async def _wait(receive: Receive, services: HttpServices, job: Job, until: datetime | None) -> Job:
    """The job at its end (or at `until`). A client that hangs up is noted, and its job goes on."""
    if job.state.finalized or (until is not None and until <= services.clock.now()):
        return job
    waiting = asyncio.ensure_future(services.jobs.wait(job.id, until=until, known=job))
    hung_up = asyncio.ensure_future(_hang_up(receive))
    try:
        await asyncio.wait({waiting, hung_up}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
        await services.jobs.abandon(job.id)
        raise ClientGone
    finally:
        for task in (waiting, hung_up):
            task.cancel()
        await asyncio.gather(waiting, hung_up, return_exceptions=True)


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _nobody(scope: Scope, receive: Receive, send: Send) -> None:
    """The answer to a client that is gone."""


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
