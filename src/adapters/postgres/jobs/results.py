"""The ResultIndex port on PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from ....core.domain.audit import AuditEntry
from ....core.domain.pagination import Page, Position
from ....core.domain.results.listing import ListedResult, ResultFilter, Visibility
from ..audit import write_audit
from ..database import Database
from . import queries
from .rows import job_from_row

_NOTE_ANSWERED = """
update photochanger.jobs set answered_at = answered.at
from unnest(%(ids)s::uuid[], %(ats)s::timestamptz[]) as answered (id, at)
where jobs.id = answered.id
"""

_SET_VISIBILITY = """
with changed as (
    update photochanger.jobs set hidden_at = case when %(hidden)s then %(at)s end
    where id = %(id)s and result_stem is not null and (hidden_at is not null) <> %(hidden)s
    returning id
)
insert into photochanger.processing_logs (job_id, at, event, detail)
select id, %(at)s, 'visibility', jsonb_build_object('visibility', %(visibility)s::text) from changed
"""


class PostgresResultIndex:
    """Jobs by their results. Answers are recorded asynchronously to the disk: no caller waits for an fsync."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._answering = database.batcher(_answered_batch, durable=False)

    async def find(
        self, wanted: ResultFilter, *, now: datetime, limit: int, after: Position | None = None
    ) -> Page[ListedResult]:
        query = queries.results(wanted, now=now, limit=limit + 1, after=after)
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).mappings().all()
        found = tuple(_listed(dict(row)) for row in rows[:limit])
        last = rows[limit - 1] if len(rows) > limit else None
        return Page(found, None if last is None else Position(last["finalized_at"], last["id"]))

    async def count(self, wanted: ResultFilter, *, now: datetime, limit: int) -> int:
        async with self._database.begin() as connection:
            return int((await connection.execute(queries.count_results(wanted, now=now, limit=limit))).scalar_one())

    async def set_visibility(
        self, job_id: UUID, visibility: Visibility, *, at: datetime, audit: AuditEntry | None = None
    ) -> bool:
        hidden = visibility is Visibility.HIDDEN
        parameters = {"id": job_id, "at": at, "hidden": hidden, "visibility": str(visibility)}
        async with self._database.begin() as connection:
            changed = (await connection.exec_driver_sql(_SET_VISIBILITY, parameters)).rowcount == 1
            await write_audit(connection, audit if changed else None)
        return changed

    async def note_answered(self, job_id: UUID, *, at: datetime) -> None:
        await self._answering.call((job_id, at))


def _listed(row: dict[str, Any]) -> ListedResult:
    hidden = row["hidden_at"] is not None
    return ListedResult(job_from_row(row), Visibility.HIDDEN if hidden else Visibility.SHOWN)


async def _answered_batch(
    connection: psycopg.AsyncConnection[Any], batch: Sequence[tuple[UUID, datetime]]
) -> list[None]:
    ids, ats = zip(*batch, strict=True)
    await connection.execute(_NOTE_ANSWERED, {"ids": [*ids], "ats": [*ats]})
    return [None] * len(batch)
