"""The FailureCounter port on PostgreSQL: one row a key, counted in one statement by whoever comes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import case, delete, select
from sqlalchemy.dialects.postgresql import insert

from ...core.people import MAX_FAILURES, WINDOW
from .engine import Database
from .tables import password_failures as table


class PostgresFailureCounter:
    """Counts of a minute; what has ended counts no more, whether or not it was pruned.

    Rows are locked in the order of their keys, so that two calls that share some never wait for each other.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

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

    async def succeeded(self, keys: Collection[str]) -> None:
        known = select(table.c.key).where(table.c.key.in_(keys)).order_by(table.c.key.collate("C")).with_for_update()
        async with self._database.begin() as connection:
            await connection.execute(delete(table).where(table.c.key.in_(known)))

    async def blocked(self, *, now: datetime, keys: Collection[str] | None = None) -> Mapping[str, datetime]:
        query = select(table.c.key, table.c.since).where(table.c.since > now - WINDOW, table.c.failures >= MAX_FAILURES)
        if keys is not None:
            query = query.where(table.c.key.in_(keys))
        async with self._database.begin() as connection:
            return {key: since + WINDOW for key, since in (await connection.execute(query)).all()}

    async def prune(self, *, now: datetime) -> int:
        ended = select(table.c.key).where(table.c.since <= now - WINDOW).with_for_update(skip_locked=True)
        async with self._database.begin() as connection:
            return (await connection.execute(delete(table).where(table.c.key.in_(ended)))).rowcount
