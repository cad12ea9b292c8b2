"""The MediaRepository port on PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import func, insert, select, update

from ....core.domain.media import MediaKey, MediaObject, StoredFile
from ....core.domain.stored_values import from_row
from ..database import Database
from ..schema import media_objects

_GET_MEDIA_OF_JOBS = """
select id, job_id, media_key, size_bytes, sha256, mime, created_at, expires_at from photochanger.media_objects
where job_id = any(%(ids)s) and removed_at is null order by expires_at
"""


class PostgresMediaRepository:
    """Rows of `media_objects`; a removed one keeps its row, so that its link can answer that it has expired.

    Every finished job asks for its own rows, so that query is batched.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._of_jobs = database.batcher(_get_media_of_jobs)

    async def add(self, media: MediaObject) -> None:
        values = {
            "id": media.id,
            "job_id": media.job_id,
            "media_key": str(media.file.key),
            "size_bytes": media.file.size_bytes,
            "sha256": media.file.sha256,
            "mime": media.mime,
            "created_at": media.created_at,
            "expires_at": media.expires_at,
        }
        async with self._database.begin() as connection:
            await connection.execute(insert(media_objects).values(values))

    async def get(self, media_id: UUID) -> MediaObject | None:
        found = await self._select(media_objects.c.id == media_id)
        return found[0] if found else None

    async def of_job(self, job_id: UUID) -> list[MediaObject]:
        found: list[MediaObject] = await self._of_jobs.call(job_id)
        return found

    async def expired(self, *, now: datetime, limit: int) -> list[MediaObject]:
        late = media_objects.c.expires_at <= now
        return await self._select(late, media_objects.c.removed_at.is_(None), limit=limit)

    async def remove(self, media_ids: Collection[UUID], *, now: datetime) -> int:
        if not media_ids:
            return 0
        present = media_objects.c.id.in_(media_ids), media_objects.c.removed_at.is_(None)
        # In one order: sweepers of several hosts remove the same ones at the same time.
        locked = select(media_objects.c.id).where(*present).order_by(media_objects.c.id).with_for_update().cte()
        change = (
            update(media_objects)
            .where(media_objects.c.id == locked.c.id)
            .values(removed_at=now, expires_at=func.least(media_objects.c.expires_at, now))
        )
        async with self._database.begin() as connection:
            return (await connection.execute(change)).rowcount

    async def in_use(self, keys: Collection[MediaKey]) -> set[MediaKey]:
        used = await self._select(
            media_objects.c.media_key.in_([str(key) for key in keys]), media_objects.c.removed_at.is_(None)
        )
        return {media.file.key for media in used}

    async def _select(self, *conditions: Any, limit: int | None = None) -> list[MediaObject]:
        query = select(media_objects).where(*conditions).order_by(media_objects.c.expires_at).limit(limit)
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        return [_media(row) for row in rows]


async def _get_media_of_jobs(
    connection: psycopg.AsyncConnection[Any], batch: Sequence[UUID]
) -> list[list[MediaObject]]:
    async with connection.cursor(row_factory=namedtuple_row) as cursor:
        await cursor.execute(_GET_MEDIA_OF_JOBS, {"ids": [*{*batch}]})
        found = [_media(row) for row in await cursor.fetchall()]
    return [[media for media in found if media.job_id == job_id] for job_id in batch]


def _media(row: Any) -> MediaObject:
    return MediaObject(
        id=row.id,
        file=StoredFile(from_row(MediaKey.parse, row.media_key), row.size_bytes, row.sha256),
        mime=row.mime,
        created_at=row.created_at,
        expires_at=row.expires_at,
        job_id=row.job_id,
    )
