"""The GuestData port on PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from ....core.domain.audit import AuditEntry
from ....core.domain.errors import JobNotFound
from ....core.domain.guest_data import KEPT_DETAILS
from ....core.domain.job import Job, Outcome
from ....core.ports.repositories.guest_data import Erasure
from ..audit import write_audit
from ..database import Database
from ..signals.wake_ups import WakeUps
from . import queue_sql
from .queue import End, finalize_batch
from .rows import JOB_COLUMNS, job_from_row

_LOCK = "select finalized_at, erased_at from photochanger.jobs where id = %(id)s for update"

_WITHOUT_GUEST = """
    metadata = '{}'::jsonb, idempotency_key = null, trace = null, sha256 = '',
    photo = jsonb_set(photo, '{file,sha256}', '""'::jsonb), error_detail = null,
    provider_job_reference = null, provider_job_entry = null, late_call_until = null
"""

_ERASE = f"""
with erased as (
    update photochanger.jobs
    set erased_at = %(at)s, result_expires_at = least(result_expires_at, %(at)s),
        result = case when result_expires_at > %(at)s then jsonb_set(result, '{{expires_at}}', %(at_json)s::jsonb)
            else result end,
        {_WITHOUT_GUEST}
    where id = %(id)s
    returning id
),
links as (
    update photochanger.media_objects set expires_at = least(expires_at, %(at)s)
    from erased
    where media_objects.job_id = erased.id and removed_at is null
)
insert into photochanger.processing_logs (job_id, at, event) select id, %(at)s, 'erased' from erased
"""

# The rows are locked in one order: sweepers of several hosts forget the same jobs at the same time.
_FORGET = f"""
with locked as (
    select id, forgotten_at is null as is_first from photochanger.jobs
    where id = any(%(ids)s) and finalized_at is not null
    order by id for update
)
update photochanger.jobs
set forgotten_at = coalesce(forgotten_at, %(now)s),
    result_purged_at = case when result_stem is not null then coalesce(result_purged_at, %(now)s) end,
    {_WITHOUT_GUEST}
from locked
where jobs.id = locked.id
returning locked.is_first
"""

# What others wrote about the jobs.
_FORGET_RECORDS = (
    """
    update photochanger.processing_logs
    set detail = detail - array(select jsonb_object_keys(detail - %(kept)s::text[]))
    where job_id = any(%(ids)s) and detail - %(kept)s::text[] <> '{}'::jsonb
    """,
    "delete from photochanger.ingest_requests where (request ->> 'job_id')::uuid = any(%(ids)s)",
)

_DUE = f"""
with due as (
    (
        select id from photochanger.jobs
        where result_stem is not null and result_purged_at is null and erased_at is null
            and result_expires_at <= %(now)s
        order by result_expires_at limit %(limit)s
    )
    union all
    (
        select id from photochanger.jobs
        where result_stem is null and forgotten_at is null and erased_at is null and finalized_at <= %(ended_before)s
        order by finalized_at limit %(limit)s
    )
    union all
    (
        select id from photochanger.jobs
        where erased_at <= %(erased_before)s and forgotten_at is null
        order by erased_at limit %(limit)s
    )
)
select {JOB_COLUMNS} from photochanger.jobs
where id = any(array(select id from due limit %(limit)s))
order by finalized_at, id
"""


class PostgresGuestData:
    """Columns of `jobs`, and rows of other tables that tell of a job."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wake_ups = WakeUps(database)

    async def erase(self, job_id: UUID, outcome: Outcome, *, audit: AuditEntry | None = None) -> Erasure:
        at = outcome.finalized_at
        async with self._database.begin() as connection:
            row = (await connection.exec_driver_sql(_LOCK, {"id": job_id})).one_or_none()
            if row is None:
                raise JobNotFound("Job not found.")
            ends = row.finalized_at is None
            if row.erased_at is None:
                if ends:
                    end = finalize_batch([End(job_id, outcome)])
                    await connection.exec_driver_sql(queue_sql.FINALIZE, {"batch": end})
                parameters = {"id": job_id, "at": at, "at_json": msgspec.json.encode(at).decode()}
                await connection.exec_driver_sql(_ERASE, parameters)
                await _forget_records(connection, [job_id])
                await write_audit(connection, audit)
            found = (await connection.exec_driver_sql(queue_sql.GET_JOBS, {"ids": [job_id]})).mappings().one()
        if ends:
            self._wake_ups.finalized([job_id])
        return Erasure(job_from_row(dict(found)), ends)

    async def due(self, *, now: datetime, ended_before: datetime, erased_before: datetime, limit: int) -> list[Job]:
        parameters = {"now": now, "ended_before": ended_before, "erased_before": erased_before, "limit": limit}
        async with self._database.begin() as connection:
            rows = (await connection.exec_driver_sql(_DUE, parameters)).mappings().all()
        return [job_from_row(dict(row)) for row in rows]

    async def forget(self, job_ids: Collection[UUID], *, now: datetime) -> int:
        if not job_ids:
            return 0
        async with self._database.begin() as connection:
            forgotten = (await connection.exec_driver_sql(_FORGET, {"ids": [*job_ids], "now": now})).scalars().all()
            await _forget_records(connection, [*job_ids])
        return sum(forgotten)


async def _forget_records(connection: AsyncConnection, job_ids: Sequence[UUID]) -> None:
    parameters: dict[str, Any] = {"ids": [*job_ids], "kept": sorted(KEPT_DETAILS)}
    for statement in _FORGET_RECORDS:
        await connection.exec_driver_sql(statement, parameters)
