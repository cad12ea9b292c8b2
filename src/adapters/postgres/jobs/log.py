"""The JobLog port on PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from sqlalchemy import case, func, select

from ....core.domain.job import JobEvent, JobSource, LogEntry, LogEvent
from ....core.domain.stored_values import from_row
from ..database import Database
from ..schema import processing_logs
from . import queries

# An attempt that a worker notes after its job was ended elsewhere belongs before that end. It may be there already: the
# reply to an earlier run of this statement, or to the end of its job, was lost.
_APPEND = """
insert into photochanger.processing_logs (job_id, at, event, detail)
select entries.job_id,
    case when entries.event = 'attempt' then least(entries.at, jobs.finalized_at) else entries.at end,
    entries.event, entries.detail
from jsonb_to_recordset(%(entries)s::jsonb) as entries (job_id uuid, at timestamptz, event text, detail jsonb)
join photochanger.jobs on jobs.id = entries.job_id and jobs.erased_at is null
where entries.event <> 'attempt' or not exists (
    select from photochanger.processing_logs as written
    where written.job_id = entries.job_id and written.event = 'attempt' and written.detail = entries.detail
)
"""


class PostgresJobLog:
    """Rows of `processing_logs`. Entries are appended asynchronously to the disk: no caller waits for an fsync."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._appending = database.batcher(_append_batch, durable=False)

    async def append(self, entries: Collection[LogEntry]) -> None:
        await self._appending.call(entries)

    async def entries(self, job_id: UUID) -> list[LogEntry]:
        log = processing_logs.c
        # An attempt may be noted in the very moment in which the job is ended elsewhere: it still belongs before that.
        end = select(func.max(log.at)).where(log.job_id == job_id, log.event == LogEvent.FINALIZED).scalar_subquery()
        at = case((log.event == LogEvent.ATTEMPT, func.least(log.at, end)), else_=log.at).label("at")
        query = (
            select(log.job_id, at, log.event, log.detail)
            .where(log.job_id == job_id)
            .order_by(at, log.event == LogEvent.FINALIZED, log.id)
        )
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        return [LogEntry(row.job_id, row.at, from_row(LogEvent, row.event), row.detail) for row in rows]

    async def events(self, *, after: int, limit: int) -> list[JobEvent]:
        async with self._database.begin() as connection:
            rows = (await connection.execute(queries.events(after=after, limit=limit))).all()
        return [
            JobEvent(
                row.id,
                LogEntry(row.job_id, row.at, from_row(LogEvent, row.event), row.detail),
                row.slot_id,
                from_row(JobSource, row.source),
                row.after_end,
            )
            for row in rows
        ]

    async def last_event(self) -> int:
        async with self._database.begin() as connection:
            return await connection.scalar(select(func.max(processing_logs.c.id))) or 0


async def _append_batch(connection: psycopg.AsyncConnection[Any], batch: Sequence[Collection[LogEntry]]) -> list[None]:
    entries = [entry for member in batch for entry in member]
    await connection.execute(_APPEND, {"entries": msgspec.json.encode(entries).decode()})
    return [None] * len(batch)
