"""The BegunFiles port on PostgreSQL.

Each file costs one row without an index, written in a batch. The table is small: the sweeper empties it every quarter
of an hour.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import psycopg
from sqlalchemy import func, select

from ....core.domain.media import MediaKey, MediaKind
from ..database import Database
from ..schema import begun_files

_ADD = """
insert into photochanger.begun_files (media_key, begun_at)
select * from unnest(%(keys)s::text[], %(moments)s::timestamptz[])
"""


class PostgresBegunFiles:
    """Rows of `begun_files`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._adding = database.batcher(_add)

    async def add(self, keys: Collection[MediaKey], *, now: datetime) -> None:
        await self._adding.call(([str(key) for key in keys], now))

    async def before(self, moment: datetime, kind: MediaKind, *, limit: int) -> list[MediaKey]:
        latest = func.max(begun_files.c.begun_at)
        query = (
            select(begun_files.c.media_key)
            .where(begun_files.c.media_key.startswith(f"{kind}/"))
            .group_by(begun_files.c.media_key)
            .having(latest < moment)
            .order_by(latest, begun_files.c.media_key)
            .limit(limit)
        )
        async with self._database.begin() as connection:
            return [MediaKey.parse(key) for key in await connection.scalars(query)]

    async def remove(self, keys: Collection[MediaKey], *, before: datetime) -> None:
        gone = begun_files.c.media_key == func.any([str(key) for key in keys])
        async with self._database.begin() as connection:
            await connection.execute(begun_files.delete().where(gone, begun_files.c.begun_at < before))


async def _add(connection: psycopg.AsyncConnection[Any], batch: Sequence[tuple[list[str], datetime]]) -> list[None]:
    keys = [key for files, _ in batch for key in files]
    moments = [now for files, now in batch for _ in files]
    await connection.execute(_ADD, {"keys": keys, "moments": moments})
    return [None] * len(batch)
