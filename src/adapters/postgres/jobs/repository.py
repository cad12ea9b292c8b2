"""The JobRepository port on PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import bindparam, func, select

from ....core.domain.errors import JobNotFound
from ....core.domain.job import Job
from ....core.domain.media import MediaKey, MediaKind
from ....core.domain.pagination import JobFilter, JobOrder, Page, Position
from ....core.domain.results.files import job_id_from_name
from ..database import Database
from ..schema import jobs
from ..stats import sql as stats_sql
from . import queries, queue_sql
from .rows import fetch_jobs, job_from_row, stem


class PostgresJobRepository:
    """Job records. What each request reads shares one connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading = database.batcher(_get_batch)

    async def get(self, job_id: UUID) -> Job:
        job: Job | None = await self._reading.call(job_id)
        if job is None:
            raise JobNotFound("Job not found.")
        return job

    async def find(self, wanted: JobFilter, *, order: JobOrder, limit: int, after: Position | None = None) -> Page[Job]:
        found = await fetch_jobs(self._database, queries.find_jobs(wanted, order=order, limit=limit + 1, after=after))
        return queries.page(found, limit=limit, order=order)

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
            jobs.c.result_purged_at.is_(None),
            jobs.c.erased_at.is_(None),
            jobs.c.id == func.any(bindparam("owners", [*owners])),
        )
        async with self._database.begin() as connection:
            used_payloads = {*(await connection.scalars(live))}
            used_stems = {*(await connection.scalars(kept))}
        return {
            key
            for key in keys
            if (str(key) in used_payloads if key.kind is MediaKind.PAYLOADS else stem(key.name) in used_stems)
        }


async def _get_batch(connection: psycopg.AsyncConnection[Any], batch: Sequence[UUID]) -> list[Job | None]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(queue_sql.GET_JOBS, {"ids": [*{*batch}]})
        found = {row["id"]: job_from_row(row) for row in await cursor.fetchall()}
    return [found.get(job_id) for job_id in batch]
