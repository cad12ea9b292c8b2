"""Responses for jobs: the picture, the promise of one (202), or the problem."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from litestar.response.base import ASGIResponse

from ....core.domain.errors import PhotoChangerError, ShuttingDown
from ....core.domain.job import Job
from ....core.domain.results.files import ResultPayload, result_payload
from ....core.domain.slots.slot import ResponseMode
from ....core.ports.clock import Clock
from ....core.ports.job_queue import JobQueue
from ....core.ports.media_store import MediaStore
from ....core.ports.repositories.result_index import ResultIndex
from ....core.services.media.storage_retry import StorageRetry
from .file_response import StreamedResponse, begin
from .links import UrlBuilder
from .problems import problem_of, problem_of_job, problem_response

_log = logging.getLogger("photochanger.http")

_READ_PATIENCE = timedelta(seconds=2)
"""How long a picture that was stored is tried to be read after the job's deadline."""


class JobBody(msgspec.Struct, kw_only=True):
    """A job as JSON."""

    job_id: UUID
    slot_id: str
    source: str
    state: str
    created_at: datetime
    expires_at: datetime
    finalized_at: datetime | None
    failure_reason: str | None
    error_code: str | None
    error_detail: str | None
    attempt: int
    provider_id: str | None
    operation_id: str | None
    result: ResultPayload | None


class AcceptedBody(msgspec.Struct, kw_only=True):
    """The promise of a picture: where to poll, and where the picture will be."""

    job_id: UUID
    state: str
    status_url: str
    result_url: str
    expires_at: datetime


def job_body(job: Job, links: UrlBuilder) -> JobBody:
    """What the submitter of the job may know of it."""
    return JobBody(
        job_id=job.id,
        slot_id=job.slot_id,
        source=job.source,
        state=job.state,
        created_at=job.created_at,
        expires_at=job.expires_at,
        finalized_at=job.finalized_at,
        failure_reason=job.failure_reason,
        error_code=job.error_code,
        error_detail=job.error_detail,
        attempt=job.attempt,
        provider_id=job.provider_id,
        operation_id=job.operation_id,
        result=result_payload(job, url=links.result(job.id)),
    )


def accepted_response(job: Job, links: UrlBuilder, *, applied: str) -> ASGIResponse:
    """202: the job continues; poll its link."""
    body = AcceptedBody(
        job_id=job.id,
        state=job.state,
        status_url=links.job(job.id, job.access_token),
        result_url=links.result(job.id),
        expires_at=job.expires_at,
    )
    headers = {
        "Location": links.job(job.id, job.access_token),
        "Link": f'<{links.result(job.id)}>; rel="alternate"',
        "Preference-Applied": applied,
        "X-Job-Id": str(job.id),
        "Cache-Control": "no-store",
    }
    return ASGIResponse(body=msgspec.json.encode(body), status_code=202, media_type="application/json", headers=headers)


def given_up_response(error: ShuttingDown, job: Job, links: UrlBuilder) -> ASGIResponse:
    """503: the process ends, the job goes on; where to look for it, and where its picture will be."""
    status, result = links.job(job.id, job.access_token), links.result(job.id)
    link = f'<{status}>; rel="status", <{result}>; rel="alternate"'
    return problem_response(problem_of(error), headers={"Link": link, "Connection": "close"})


async def final_response(
    job: Job, links: UrlBuilder, store: MediaStore, results: ResultIndex, queue: JobQueue, clock: Clock
) -> ASGIResponse:
    """The picture or the problem of a job that has ended. MediaNotFound, StorageUnavailable."""
    result = job.result
    if result is None:
        return problem_response(problem_of_job(job))

    async def read() -> tuple[AsyncIterator[bytes], bytes]:
        stream = store.open(result.file.key)
        return stream, await begin(stream)

    until = max(job.expires_at, clock.now() + _READ_PATIENCE)
    stream, first = await StorageRetry(clock, what=f"answer of job {job.id}", until=until).run(read)
    headers = {
        "X-Job-Id": str(job.id),
        "X-PhotoChanger-Outcome": result.outcome,
        "Link": f'<{links.result(job.id)}>; rel="alternate"',
        "Cache-Control": "no-store",
    }
    options: dict[str, Any] = {"headers": headers, "media_type": result.mime}
    before = after = b""
    if job.route.response_mode is ResponseMode.MULTIPART:
        boundary = secrets.token_hex(16)
        described = msgspec.json.encode(job_body(job, links))
        head = f"--{boundary}\r\nContent-Type: application/json\r\n\r\n".encode()
        picture_head = (
            f"\r\n--{boundary}\r\nContent-Type: {result.mime}\r\nContent-Length: {result.file.size_bytes}\r\n\r\n"
        )
        before = head + described + picture_head.encode()
        after = f"\r\n--{boundary}--\r\n".encode()
        options["media_type"] = f"multipart/mixed; boundary={boundary}"
    length = len(before) + result.file.size_bytes + len(after)
    return _PictureResponse(
        stream,
        before + first,
        length=length,
        last=after,
        job=job,
        results=results,
        queue=queue,
        clock=clock,
        **options,
    )


class _PictureResponse(StreamedResponse):
    """The synchronous response; that it was sent is recorded.

    A client that hung up in the middle has no picture. That is noted: its photo finds the job when it comes again.
    """

    def __init__(
        self, *args: Any, job: Job, results: ResultIndex, queue: JobQueue, clock: Clock, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._job = job
        self._results = results
        self._queue = queue
        self._clock = clock

    async def after_response(self) -> None:
        try:
            if self.is_cut:
                await self._queue.abandon(self._job.id)
            else:
                await self._results.note_answered(self._job.id, at=self._clock.now())
        except PhotoChangerError as error:
            _log.warning("the answer of job %s was not noted: %s", self._job.id, error.detail)
