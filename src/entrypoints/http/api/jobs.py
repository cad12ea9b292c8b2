"""Jobs: lists for administrators, everything about one, and what became of it for whoever holds its own link."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ....core.domain.deadlines import remaining
from ....core.domain.errors import JobNotFound, invalid_query
from ....core.domain.field_errors import FieldError, FieldErrorCode
from ....core.domain.job import (
    FailureReason,
    Job,
    JobFilter,
    JobOrder,
    JobSource,
    JobState,
    LogEntry,
)
from ..auth.access import PublicAccess, actor_of
from ..dependencies import HttpServices
from ..protocol.etag import json_response, personal_response
from ..protocol.file_response import serve_file
from ..protocol.job_response import JobBody, job_body
from ..protocol.links import UrlBuilder
from ..protocol.query import (
    DEFAULT_PAGE,
    Cursor,
    Limit,
    cursor_of,
    position_of,
    read_query,
    several,
)


class JobSummary(JobBody, kw_only=True):
    """A job in a list: with how long it waited, was worked on, and took in all, and what is left of its window.

    `wait_ms`: until a worker took it; `processing_ms`: from then on; both until now while it is live.
    """

    wait_ms: int
    processing_ms: int | None
    total_ms: int
    remaining_ms: int


class PhotoBody(msgspec.Struct, kw_only=True):
    """The photo of a job as it was received."""

    mime: str
    width: int
    height: int
    size_bytes: int
    sha256: str


class LogBody(msgspec.Struct, kw_only=True):
    """A line of a job's processing log."""

    at: datetime
    event: str
    detail: dict[str, Any]


class JobDetail(JobSummary, kw_only=True):
    """Everything about one job."""

    photo: PhotoBody
    metadata: dict[str, str]
    route: list[Any]
    acquired_at: datetime | None
    abandoned_at: datetime | None
    result_purged_at: datetime | None
    logs: list[LogBody]


class JobQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The filters of a list. `state` holds one state or several, with commas between them."""

    state: str | None = None
    slot_id: str | None = None
    failure_reason: FailureReason | None = None
    source: JobSource | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    sort: JobOrder = JobOrder.NEWEST
    limit: Limit = DEFAULT_PAGE
    cursor: Cursor | None = None


def job_summary(job: Job, links: UrlBuilder, *, now: datetime) -> JobSummary:
    """A job as a list tells of it."""
    return JobSummary(**_summary(job, links, now))


def job_detail(job: Job, links: UrlBuilder, *, now: datetime, logs: list[LogEntry]) -> JobDetail:
    """A job with everything that is known of it."""
    facts = job.photo.facts
    file = job.photo.file
    return JobDetail(
        **_summary(job, links, now),
        photo=PhotoBody(
            mime=facts.mime, width=facts.width, height=facts.height, size_bytes=file.size_bytes, sha256=file.sha256
        ),
        metadata=job.metadata,
        route=msgspec.to_builtins(job.route.entries),
        acquired_at=job.acquired_at,
        abandoned_at=job.abandoned_at,
        result_purged_at=job.result_purged_at,
        logs=[log_body(entry) for entry in logs],
    )


def log_body(entry: LogEntry) -> LogBody:
    """A log entry on the wire."""
    return LogBody(at=entry.at, event=entry.event, detail=entry.detail)


@get("/api/jobs", opt={"access": Permission.JOBS_READ})
async def list_jobs(request: Request[Any, Any, Any]) -> ASGIApp:
    """A page of jobs."""
    services: HttpServices = request.app.state.services
    query = read_query(request, JobQuery)
    page = await services.job_records.find(
        _filter(query), order=query.sort, limit=query.limit, after=position_of(query.cursor)
    )
    links = UrlBuilder(request.scope, services.public_base_url)
    now = services.clock.now()
    items = [job_summary(job, links, now=now) for job in page.items]
    return personal_response(request, {"items": items, "next_cursor": cursor_of(page.next)})


@get("/api/jobs/{job_id:str}", opt={"access": PublicAccess.JOB_LINK})
async def get_job(request: Request[Any, Any, Any]) -> ASGIApp:
    """The job. With its own link's token what a guest may know; a wrong token is told the same as no such job."""
    services: HttpServices = request.app.state.services
    job = await services.jobs.get(job_id_of(request))
    links = UrlBuilder(request.scope, services.public_base_url)
    if "token" in request.query_params:
        token = str(request.query_params["token"])
        if not hmac.compare_digest(token.encode("utf-8", "surrogatepass"), job.access_token.encode()):
            raise JobNotFound("Job not found.")
        return personal_response(request, job_body(job, links))
    logs = await services.job_log.entries(job.id)
    return personal_response(request, job_detail(job, links, now=services.clock.now(), logs=logs))


@get("/api/jobs/{job_id:str}/logs", opt={"access": Permission.JOBS_READ})
async def get_job_logs(request: Request[Any, Any, Any]) -> ASGIApp:
    """Everything that happened to the job, oldest first."""
    services: HttpServices = request.app.state.services
    job = await services.jobs.get(job_id_of(request))
    logs = await services.job_log.entries(job.id)
    return personal_response(request, {"items": [log_body(entry) for entry in logs]})


@post("/api/jobs/{job_id:str}/cancel", opt={"access": Permission.JOBS_WRITE})
async def cancel_job(request: Request[Any, Any, Any]) -> ASGIApp:
    """End a live job and stop its provider call."""
    services: HttpServices = request.app.state.services
    job = await services.jobs.cancel(job_id_of(request), by=actor_of(request))
    now = services.clock.now()
    links = UrlBuilder(request.scope, services.public_base_url)
    return json_response(job_summary(job, links, now=now), status=202)


@get("/api/jobs/{job_id:str}/photo", opt={"access": Permission.JOBS_READ})
async def get_job_photo(request: Request[Any, Any, Any]) -> ASGIApp:
    """A small WebP of the photo that the job's result was made of."""
    services: HttpServices = request.app.state.services
    file = await services.media.job_photo(job_id_of(request))
    return await serve_file(request, services.store, file, now=services.clock.now())


def job_id_of(request: Request[Any, Any, Any]) -> UUID:
    """The job that the path names; JobNotFound for what is no id."""
    try:
        return UUID(request.path_params["job_id"])
    except ValueError:
        raise JobNotFound("Job not found.") from None


def _filter(query: JobQuery) -> JobFilter:
    errors = tuple(
        FieldError(name, FieldErrorCode.TIME_ZONE_REQUIRED)
        for name in ("created_from", "created_to")
        if (moment := getattr(query, name)) is not None and moment.tzinfo is None
    )
    if errors:
        raise invalid_query(errors)
    return JobFilter(
        states=several(query.state, JobState, name="state"),
        slot_id=query.slot_id,
        failure_reason=query.failure_reason,
        source=query.source,
        created_from=query.created_from,
        created_to=query.created_to,
    )


def _summary(job: Job, links: UrlBuilder, now: datetime) -> dict[str, Any]:
    ended_at = job.finalized_at or now
    taken_at = job.acquired_at
    waited = (taken_at or ended_at) - job.created_at
    return {
        **msgspec.structs.asdict(job_body(job, links)),
        "wait_ms": _ms(waited),
        "processing_ms": None if taken_at is None else _ms(ended_at - taken_at),
        "total_ms": _ms(ended_at - job.created_at),
        "remaining_ms": 0 if job.finalized_at else _ms(remaining(job.expires_at, now)),
    }


def _ms(duration: timedelta) -> int:
    """Whole milliseconds; never negative, whatever two clocks say."""
    return max(round(duration / timedelta(milliseconds=1)), 0)
