"""The JobRepository port on PostgreSQL: job records, their logs, previews and the books about their files."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import dict_row
from sqlalchemy import CursorResult, bindparam, func, select, update

from ...core.domain.errors import JobNotFound
from ...core.domain.job import (
    Job,
    JobEvent,
    JobFilter,
    JobOrder,
    JobSource,
    LogEntry,
    LogEvent,
)
from ...core.domain.media import MediaKey, MediaKind
from ...core.domain.pagination import Page, Position
from ...core.domain.result_files import job_id_from_name
from ...core.domain.slot_health import RecentOutcomes
from . import job_queries as job_lists
from . import queue_sql, stats_sql
from .database import Database
from .rows import job_from_row, stem
from .schema import jobs, processing_logs

_APPEND_LOGS = """
insert into photochanger.processing_logs (job_id, at, event, detail)
select entries.job_id, entries.at, entries.event, entries.detail
from jsonb_to_recordset(%(entries)s::jsonb) as entries (job_id uuid, at timestamptz, event text, detail jsonb)
where exists (select from photochanger.jobs where jobs.id = entries.job_id)
"""

_CLEAR_PREVIEWS = """
update photochanger.jobs set inline_preview = null, answered_at = answered.at
from unnest(%(ids)s::uuid[], %(ats)s::timestamptz[]) as answered (id, at)
where jobs.id = answered.id
"""


class PostgresJobRepository:
    """What every request does has a lane; the rest is rare.

    Logs and notes of answers are written behind the guest's back, so nobody waits for the disk to have them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading = database.batcher(_get_batch)
        self._logging = database.batcher(_append_batch, durable=False)
        self._answering = database.batcher(_clear_batch, durable=False)

    async def get(self, job_id: UUID) -> Job:
        job: Job | None = await self._reading.call(job_id)
        if job is None:
            raise JobNotFound("There is no such job.")
        return job

    async def append_logs(self, entries: Collection[LogEntry]) -> None:
        await self._logging.call(entries)

    async def logs(self, job_id: UUID) -> list[LogEntry]:
        query = (
            select(processing_logs)
            .where(processing_logs.c.job_id == job_id)
            .order_by(processing_logs.c.at, processing_logs.c.id)
        )
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        return [LogEntry(row.job_id, row.at, LogEvent(row.event), row.detail) for row in rows]

    async def find(self, wanted: JobFilter, *, order: JobOrder, limit: int, after: Position | None = None) -> Page[Job]:
        found = await self._jobs(job_lists.find_jobs(wanted, order=order, limit=limit + 1, after=after))
        page = tuple(found[:limit])
        return Page(page, job_lists.position(page[-1], order) if len(found) > limit else None)

    async def events(self, *, after: int, limit: int) -> list[JobEvent]:
        async with self._database.begin() as connection:
            rows = (await connection.execute(job_lists.events(after=after, limit=limit))).all()
        return [
            JobEvent(
                row.id,
                LogEntry(row.job_id, row.at, LogEvent(row.event), row.detail),
                row.slot_id,
                JobSource(row.source),
            )
            for row in rows
        ]

    async def last_event(self) -> int:
        async with self._database.begin() as connection:
            return await connection.scalar(select(func.max(processing_logs.c.id))) or 0

    async def recent_results(
        self,
        slot_id: str,
        *,
        now: datetime,
        limit: int,
        sources: Collection[JobSource] = tuple(JobSource),
        after: Position | None = None,
    ) -> list[Job]:
        return await self._jobs(job_lists.recent_results(slot_id, now=now, limit=limit, sources=sources, after=after))

    async def newest_results(self, *, now: datetime) -> dict[str, Job]:
        return {job.slot_id: job for job in await self._jobs(job_lists.newest_results(now=now))}

    async def last_jobs(self, *, since: datetime) -> dict[str, RecentOutcomes]:
        async with self._database.begin() as connection:
            rows = (await connection.execute(job_lists.last_jobs(since=since))).all()
        return {
            row.slot_id: RecentOutcomes(ended=row.ended, failed=row.failed, fallbacks=row.fallbacks) for row in rows
        }

    async def store_preview(self, job_id: UUID, preview: bytes) -> bool:
        change = (
            update(jobs)
            .where(jobs.c.id == job_id, jobs.c.finalized_at.is_not(None), jobs.c.answered_at.is_(None))
            .values(inline_preview=preview)
        )
        return await self._change(change) == 1

    async def preview(self, job_id: UUID) -> bytes | None:
        async with self._database.begin() as connection:
            data = await connection.scalar(select(jobs.c.inline_preview).where(jobs.c.id == job_id))
        return None if data is None else bytes(data)

    async def clear_preview(self, job_id: UUID, *, answered_at: datetime) -> None:
        await self._answering.call((job_id, answered_at))

    async def clear_previews(self, *, finalized_before: datetime, limit: int) -> int:
        some = (
            select(jobs.c.id)
            .where(jobs.c.inline_preview.is_not(None), jobs.c.finalized_at < finalized_before)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return await self._change(update(jobs).where(jobs.c.id.in_(some)).values(inline_preview=None))

    async def expired_results(self, *, now: datetime, limit: int) -> list[Job]:
        query = (
            select(job_lists.JOB)
            .select_from(jobs)
            .where(jobs.c.result_stem.is_not(None), jobs.c.result_purged_at.is_(None), jobs.c.result_expires_at <= now)
            .order_by(jobs.c.result_expires_at)
            .limit(limit)
        )
        return await self._jobs(query)

    async def mark_purged(self, job_ids: Collection[UUID], *, now: datetime) -> None:
        if job_ids:
            await self._change(
                update(jobs).where(jobs.c.id.in_(job_ids)).values(result_purged_at=now, idempotency_key=None)
            )

    async def prune(self, *, before: datetime, limit: int) -> int:
        async with self._database.begin() as connection:
            if not (await connection.exec_driver_sql(stats_sql.TRY_LOCK)).scalar_one():
                return 0
            pruned = await connection.exec_driver_sql(stats_sql.PRUNE, {"before": before, "limit": limit})
            return int(pruned.scalar_one())

    async def in_use(self, keys: Collection[MediaKey]) -> set[MediaKey]:
        payloads = [str(key) for key in keys if key.kind is MediaKind.PAYLOADS]
        owners = {job_id_from_name(key.name) for key in keys if key.kind is not MediaKind.PAYLOADS} - {None}
        live = select(jobs.c.payload_key).where(
            jobs.c.finalized_at.is_(None), jobs.c.payload_key == func.any(bindparam("payloads", payloads))
        )
        kept = select(jobs.c.result_stem).where(
            jobs.c.result_purged_at.is_(None), jobs.c.id == func.any(bindparam("owners", [*owners]))
        )
        async with self._database.begin() as connection:
            used_payloads = {*(await connection.scalars(live))}
            used_stems = {*(await connection.scalars(kept))}
        return {
            key
            for key in keys
            if (str(key) in used_payloads if key.kind is MediaKind.PAYLOADS else stem(key.name) in used_stems)
        }

    async def _jobs(self, query: Any) -> list[Job]:
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [job_from_row(dict(row)) for row in rows]

    async def _change(self, statement: Any) -> int:
        async with self._database.begin() as connection:
            result: CursorResult[Any] = await connection.execute(statement)
            return result.rowcount


async def _get_batch(connection: psycopg.AsyncConnection[Any], batch: Sequence[UUID]) -> list[Job | None]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(queue_sql.GET_JOBS, {"ids": [*{*batch}]})
        found = {row["id"]: job_from_row(row) for row in await cursor.fetchall()}
    return [found.get(job_id) for job_id in batch]


async def _append_batch(connection: psycopg.AsyncConnection[Any], batch: Sequence[Collection[LogEntry]]) -> list[None]:
    entries = [entry for member in batch for entry in member]
    await connection.execute(_APPEND_LOGS, {"entries": msgspec.json.encode(entries).decode()})
    return [None] * len(batch)


async def _clear_batch(connection: psycopg.AsyncConnection[Any], batch: Sequence[tuple[UUID, datetime]]) -> list[None]:
    ids, ats = zip(*batch, strict=True)
    await connection.execute(_CLEAR_PREVIEWS, {"ids": [*ids], "ats": [*ats]})
    return [None] * len(batch)
