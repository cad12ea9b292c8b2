"""The ResultIndex port on PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import CursorResult, select, update

from ....core.domain.job import Job, JobSource
from ....core.domain.pagination import JobOrder, Page, Position
from ..database import Database
from ..schema import jobs
from . import queries
from .rows import fetch_jobs

_CLEAR_PREVIEWS = """
update photochanger.jobs set inline_preview = null, answered_at = answered.at
from unnest(%(ids)s::uuid[], %(ats)s::timestamptz[]) as answered (id, at)
where jobs.id = answered.id
"""


class PostgresResultIndex:
    """Jobs by their results. Answers are recorded asynchronously to the disk: no caller waits for an fsync."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._answering = database.batcher(_clear_batch, durable=False)

    async def recent(
        self,
        slot_id: str,
        *,
        now: datetime,
        limit: int,
        sources: Collection[JobSource] = tuple(JobSource),
        after: Position | None = None,
    ) -> Page[Job]:
        query = queries.recent_results(slot_id, now=now, limit=limit + 1, sources=sources, after=after)
        return queries.page(await fetch_jobs(self._database, query), limit=limit, order=JobOrder.ENDED_LAST)

    async def newest(self, *, now: datetime) -> dict[str, Job]:
        return {job.slot_id: job for job in await fetch_jobs(self._database, queries.newest_results(now=now))}

    async def store_preview(self, job_id: UUID, preview: bytes) -> bool:
        change = (
            update(jobs)
            .where(
                jobs.c.id == job_id,
                jobs.c.finalized_at.is_not(None),
                jobs.c.answered_at.is_(None),
                jobs.c.erased_at.is_(None),
                jobs.c.forgotten_at.is_(None),
            )
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

    async def _change(self, statement: Any) -> int:
        async with self._database.begin() as connection:
            result: CursorResult[Any] = await connection.execute(statement)
            return result.rowcount


async def _clear_batch(connection: psycopg.AsyncConnection[Any], batch: Sequence[tuple[UUID, datetime]]) -> list[None]:
    ids, ats = zip(*batch, strict=True)
    await connection.execute(_CLEAR_PREVIEWS, {"ids": [*ids], "ats": [*ats]})
    return [None] * len(batch)
