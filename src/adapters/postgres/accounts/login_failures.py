"""The FailureCounter port on PostgreSQL: one row per key, counted in one statement."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import case, delete, select
from sqlalchemy.dialects.postgresql import insert

from ....core.domain.accounts import MAX_FAILURES, MAX_SITE_FAILURES, SITE_SUFFIX, WINDOW
from ..database import Database
from ..schema import password_failures as table

_BLOCKED = """
select key, since from photochanger.password_failures
where since > %(since)s
    and failures >= case when starts_with(reverse(key), %(site_suffix)s) then %(of_site)s else %(of_host)s end
    and (%(keys)s::text[] is null or key = any(%(keys)s))
"""


class _Query(NamedTuple):
    """A query for the blocked keys at a moment, among these or (None) all."""

    now: datetime
    keys: list[str] | None


class PostgresFailureCounter:
    """Rows of `password_failures`. An expired count is ignored, pruned or not.

    Rows are locked in the order of their keys, so that two calls that share keys cannot deadlock. Requests wait for
    what is read, so reads are batched.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading = database.batcher(_blocked_of)

    async def failed(self, keys: Collection[str], *, now: datetime) -> None:
        if not keys:
            return
        change = insert(table).values([{"key": key, "since": now, "failures": 1} for key in sorted(set(keys))])
        ended = table.c.since <= now - WINDOW
        change = change.on_conflict_do_update(
            index_elements=[table.c.key],
            set_={
                "since": case((ended, change.excluded.since), else_=table.c.since),
                "failures": case((ended, 1), else_=table.c.failures + 1),
            },
        )
        async with self._database.begin() as connection:
            await connection.execute(change)

    async def blocked(self, *, now: datetime, keys: Collection[str] | None = None) -> Mapping[str, datetime]:
        blocked: Mapping[str, datetime] = await self._reading.call(_Query(now, None if keys is None else [*keys]))
        return blocked

    async def prune(self, *, now: datetime) -> int:
        ended = select(table.c.key).where(table.c.since <= now - WINDOW).with_for_update(skip_locked=True)
        async with self._database.begin() as connection:
            return (await connection.execute(delete(table).where(table.c.key.in_(ended)))).rowcount


async def _blocked_of(connection: psycopg.AsyncConnection[Any], batch: Sequence[_Query]) -> list[dict[str, datetime]]:
    answers = []
    for query in batch:
        parameters = {
            "since": query.now - WINDOW,
            "of_host": MAX_FAILURES,
            "of_site": MAX_SITE_FAILURES,
            "site_suffix": SITE_SUFFIX[::-1],
            "keys": query.keys,
        }
        cursor = await connection.execute(_BLOCKED, parameters)
        answers.append({key: since + WINDOW for key, since in await cursor.fetchall()})
    return answers
