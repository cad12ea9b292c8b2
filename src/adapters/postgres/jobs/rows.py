"""Between rows of `jobs` and the Job entity.

The columns are named like the fields of JobSpec, Outcome and Job; a column that is not read or written by these names
is derived from them (`route_id`, `route_provider`, `payload_key`, `sha256`, `result_stem`, `result_expires_at`).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Select

from ....core.domain.job import FailureReason, Job, JobSpec, JobState, Outcome
from ....core.domain.stored_values import from_row
from ..database import Database

ROUTE = "(select route from photochanger.job_routes where job_routes.id = jobs.route_id)"
"""The route of a row of `jobs`."""

JOB_COLUMNS = f"""
    jobs.id, jobs.slot_id, jobs.source, jobs.created_at, jobs.expires_at, {ROUTE} as route, jobs.photo,
    jobs.access_token, jobs.metadata, jobs.idempotency_key, jobs.trace, jobs.held_by,
    jobs.state, jobs.attempt, jobs.worker, jobs.lease_until, jobs.acquired_at, jobs.provider_job_reference,
    jobs.provider_job_entry, jobs.result_purged_at, jobs.abandoned_at, jobs.erased_at,
    jobs.forgotten_at, jobs.late_call_until, jobs.asked_at,
    jobs.finalized_at, jobs.failure_reason, jobs.error_code, jobs.error_detail, jobs.provider_id, jobs.operation_id,
    jobs.result
"""
"""What `job_from_row` needs: the columns of the spec, those of the job itself, those of its outcome."""


_STATES = frozenset(JobState)


def job_from_row(row: Mapping[str, Any]) -> Job:
    """The job in a row with the columns of JOB_COLUMNS; each struct takes its own fields from the row."""
    if row["state"] not in _STATES:
        row = {**row, **_known_end(row)}
    ended = row["finalized_at"] is not None
    return from_row(_job, {**row, "spec": row, "outcome": row if ended else None})


def _job(fields: dict[str, Any]) -> Job:
    return msgspec.convert(fields, Job)


def _known_end(row: Mapping[str, Any]) -> dict[str, Any]:
    """The state and failure reason of a row whose state is that of a newer version, as the known ones that are handled
    like it: without an end it is being processed, with a picture and without a failure reason it has succeeded."""
    ended, reason = row["finalized_at"] is not None, row["failure_reason"]
    if not ended or (row["result"] is not None and reason is None):
        return {"state": JobState.SUCCEEDED if ended else JobState.PROCESSING}
    return {"state": JobState.FAILED, "failure_reason": reason or FailureReason.PROVIDER_ERROR}


async def fetch_jobs(database: Database, query: Select[Any]) -> list[Job]:
    """The jobs that a query with JOB_COLUMNS finds. QueueUnavailable."""
    async with database.begin() as connection:
        rows = (await connection.execute(query)).mappings().all()
    return [job_from_row(dict(row)) for row in rows]


def enqueue_item(spec: JobSpec, max_active: int, asked: Collection[UUID] | None = None) -> dict[str, Any]:
    """A new job as the enqueueing function reads it."""
    route = _given(spec.route)
    return msgspec.structs.asdict(spec) | {
        "route": route,
        "route_id": _route_id(route),
        "route_provider": spec.first_provider or "",
        "payload_key": str(spec.photo.file.key),
        "sha256": spec.photo.file.sha256,
        "max_active": max_active,
        "asked": None if asked is None else list(asked),
    }


def finalize_item(outcome: Outcome) -> dict[str, Any]:
    """The columns of an outcome as the finalizing statement reads them."""
    result = outcome.result
    return msgspec.structs.asdict(outcome) | {
        "result": _given(result) if result else None,
        "result_stem": stem(result.file.key.name) if result else None,
        "result_expires_at": result.expires_at if result else None,
    }


def _given(value: msgspec.Struct) -> dict[str, Any]:
    """The fields of a struct whose values are not their defaults: each change of a row writes all of it."""
    defaults = _defaults(type(value))
    given = msgspec.structs.asdict(value)
    return {name: field for name, field in given.items() if name not in defaults or field != defaults[name]}


def _route_id(route: dict[str, Any]) -> UUID:
    """The id under which a route is stored once for all jobs that have it."""
    return UUID(bytes=hashlib.sha256(msgspec.json.encode(route, order="sorted")).digest()[:16])


@functools.cache
def _defaults(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {
        field.name: field.default for field in msgspec.structs.fields(kind) if field.default is not msgspec.NODEFAULT
    }


def stem(name: str) -> str:
    """A file name without its extension: what a result and its preview share."""
    return name.rsplit(".", 1)[0]
