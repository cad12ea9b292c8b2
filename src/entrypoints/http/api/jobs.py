"""Jobs: lists and details for administrators, and the outcome of one job for the holder of its link."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, delete, get, post
from litestar.params import FromPath
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ....core.domain.costs.ledger import NO_COST, CostSum
from ....core.domain.deadlines import remaining
from ....core.domain.errors import JobNotFound, invalid_query
from ....core.domain.field_errors import FieldError, FieldErrorCode
from ....core.domain.job import FailureReason, Job, JobSource, JobState, LogEntry
from ....core.domain.pagination import JobFilter, JobOrder, JobResult
from ....core.domain.slots.slot import route_document
from ....core.ports.clock import Clock
from ....core.ports.job_service import JobService
from ....core.ports.media_service import MediaService
from ....core.ports.media_store import MediaStore
from ....core.ports.repositories.job_log import JobLog
from ....core.ports.repositories.job_repository import JobRepository
from ....core.services.costs.job_costs import CostsOfJob, JobCosts
from ....core.services.jobs.erasure import GuestErasure
from ...config import Settings
from ..auth.access import PublicAccess, actor_of
from ..protocol.etag import json_response, no_content, personal_response
from ..protocol.file_response import serve_file
from ..protocol.job_response import JobBody, job_body
from ..protocol.links import UrlBuilder
from ..protocol.path_ids import UNKNOWN_ID
from ..protocol.query import DEFAULT_PAGE, Cursor, Limit, cursor_of, position_of, read_query, several
from .costs import CallBody, call_body, currency_body

NO_JOB = JobNotFound("Job not found.")


class JobSummary(JobBody, kw_only=True):
    """A job in a list, with its durations and what is left of its sync window.

    `wait_ms`: until a worker acquired it; `processing_ms`: since then; both until now while it is active.
    `cost`: of its calls.
    """

    wait_ms: int
    processing_ms: int | None
    total_ms: int
    remaining_ms: int
    cost: CostSum


class PhotoBody(msgspec.Struct, kw_only=True):
    """The photo of a job as received."""

    mime: str
    width: int
    height: int
    size_bytes: int
    sha256: str


class LogBody(msgspec.Struct, kw_only=True):
    """An entry of a job's processing log."""

    at: datetime
    event: str
    detail: dict[str, Any]


class JobDetail(JobSummary, kw_only=True):
    """A job with all its details; without a photo once its guest was forgotten."""

    photo: PhotoBody | None
    metadata: dict[str, str]
    route: list[Any]
    settings: dict[str, Any]
    acquired_at: datetime | None
    abandoned_at: datetime | None
    result_purged_at: datetime | None
    erased_at: datetime | None
    forgotten_at: datetime | None
    model: str | None
    seed: str | None
    currency: dict[str, Any]
    calls: list[CallBody]
    logs: list[LogBody]


class JobQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The filters of a list. `state` is one state or several, separated by commas."""

    state: str | None = None
    slot_id: str | None = None
    failure_reason: FailureReason | None = None
    source: JobSource | None = None
    result: JobResult | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    sort: JobOrder = JobOrder.NEWEST
    limit: Limit = DEFAULT_PAGE
    cursor: Cursor | None = None


def job_summary(job: Job, links: UrlBuilder, *, now: datetime, costs: Mapping[UUID, CostSum]) -> JobSummary:
    """A job for a list."""
    return JobSummary(**_summary(job, links, now), cost=costs.get(job.id, NO_COST))


def job_detail(job: Job, links: UrlBuilder, *, now: datetime, logs: list[LogEntry], costs: CostsOfJob) -> JobDetail:
    """A job with all its details."""
    facts = job.photo.facts
    file = job.photo.file
    photo = PhotoBody(
        mime=facts.mime, width=facts.width, height=facts.height, size_bytes=file.size_bytes, sha256=file.sha256
    )
    return JobDetail(
        **_summary(job, links, now),
        cost=costs.sum,
        photo=photo if job.knows_guest else None,
        metadata=job.metadata,
        route=msgspec.to_builtins(job.route.entries),
        settings=job_settings(job),
        acquired_at=job.acquired_at,
        abandoned_at=job.abandoned_at,
        result_purged_at=job.result_purged_at,
        erased_at=job.erased_at,
        forgotten_at=job.forgotten_at,
        model=None if job.result is None else job.result.model,
        seed=None if job.result is None or job.result.seed is None else str(job.result.seed),
        currency=currency_body(costs.currency),
        calls=[call_body(call) for call in costs.calls],
        logs=[log_body(entry) for entry in logs],
    )


def job_settings(job: Job) -> dict[str, Any]:
    """The settings of its slot that the job ran with. `skipped_steps`: how many first steps had no time for it."""
    return {**route_document(job.route), "skipped_steps": job.route.skipped}


def log_body(entry: LogEntry) -> LogBody:
    """A log entry on the wire."""
    return LogBody(at=entry.at, event=entry.event, detail=entry.detail)


@get("/api/jobs", opt={"access": Permission.JOBS_READ})
@inject
async def list_jobs(
    request: Request[Any, Any, Any],
    jobs: FromDishka[JobRepository],
    job_costs: FromDishka[JobCosts],
    config: FromDishka[Settings],
    clock: FromDishka[Clock],
) -> ASGIApp:
    """A page of jobs."""
    query = read_query(request, JobQuery)
    page = await jobs.find(_filter(query), order=query.sort, limit=query.limit, after=position_of(query.cursor))
    links = UrlBuilder(request.scope, config.public_base_url)
    now = clock.now()
    costs = await job_costs.of_jobs(page.items)
    items = [job_summary(job, links, now=now, costs=costs) for job in page.items]
    return personal_response(request, {"items": items, "next_cursor": cursor_of(page.next)})


@get("/api/jobs/{job_id:str}", opt={"access": PublicAccess.JOB_LINK, UNKNOWN_ID: NO_JOB})
@inject
async def get_job(
    request: Request[Any, Any, Any],
    job_id: FromPath[UUID],
    jobs: FromDishka[JobService],
    job_log: FromDishka[JobLog],
    job_costs: FromDishka[JobCosts],
    config: FromDishka[Settings],
    clock: FromDishka[Clock],
) -> ASGIApp:
    """The job: for the holder of its link what a guest may see. A wrong token is answered like an unknown job."""
    job = await jobs.get(job_id)
    links = UrlBuilder(request.scope, config.public_base_url)
    if "token" in request.query_params:
        token = str(request.query_params["token"])
        if not hmac.compare_digest(token.encode("utf-8", "surrogatepass"), job.access_token.encode()):
            raise JobNotFound(NO_JOB.detail)
        return personal_response(request, job_body(job, links))
    logs, costs = await job_log.entries(job.id), await job_costs.of_job(job)
    return personal_response(request, job_detail(job, links, now=clock.now(), logs=logs, costs=costs))


@get("/api/jobs/{job_id:str}/logs", opt={"access": Permission.JOBS_READ, UNKNOWN_ID: NO_JOB})
@inject
async def get_job_logs(
    request: Request[Any, Any, Any],
    job_id: FromPath[UUID],
    jobs: FromDishka[JobService],
    job_log: FromDishka[JobLog],
) -> ASGIApp:
    """The job's processing log, oldest entry first."""
    logs = await job_log.entries((await jobs.get(job_id)).id)
    return personal_response(request, {"items": [log_body(entry) for entry in logs]})


@post("/api/jobs/{job_id:str}/cancel", opt={"access": Permission.JOBS_WRITE, UNKNOWN_ID: NO_JOB})
@inject
async def cancel_job(
    request: Request[Any, Any, Any],
    job_id: FromPath[UUID],
    jobs: FromDishka[JobService],
    job_costs: FromDishka[JobCosts],
    config: FromDishka[Settings],
    clock: FromDishka[Clock],
) -> ASGIApp:
    """Cancel an active job and stop its provider call."""
    job = await jobs.cancel(job_id, by=actor_of(request))
    links = UrlBuilder(request.scope, config.public_base_url)
    costs = await job_costs.of_jobs([job])
    return json_response(job_summary(job, links, now=clock.now(), costs=costs), status=202)


@delete("/api/jobs/{job_id:str}", status_code=200, opt={"access": Permission.JOBS_WRITE, UNKNOWN_ID: NO_JOB})
@inject
async def erase_job(
    request: Request[Any, Any, Any], job_id: FromPath[UUID], erasure: FromDishka[GuestErasure]
) -> ASGIApp:
    """Erase the guest of a job."""
    await erasure.erase(job_id, by=actor_of(request))
    return no_content()


@get("/api/jobs/{job_id:str}/photo", opt={"access": Permission.JOBS_READ, UNKNOWN_ID: NO_JOB})
@inject
async def get_job_photo(
    request: Request[Any, Any, Any],
    job_id: FromPath[UUID],
    media: FromDishka[MediaService],
    store: FromDishka[MediaStore],
    clock: FromDishka[Clock],
) -> ASGIApp:
    """A small WebP of the job's photo."""
    return await serve_file(request, store, await media.job_photo(job_id), now=clock.now())


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
        result=query.result,
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
    """Whole milliseconds; never negative, even if two clocks differ."""
    return max(round(duration / timedelta(milliseconds=1)), 0)
