"""Settings and media objects on PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import dict_row, namedtuple_row
from sqlalchemy import func, insert, select, update

from ...core.domain.audit import AuditEntry
from ...core.domain.media import MediaKey, MediaObject, StoredFile
from ...core.domain.settings import StoredPassword, StoredSettings
from .audit import write_audit
from .database import Database
from .schema import app_settings, media_objects

_GET_SETTINGS = "select settings, ingest_password, version from photochanger.app_settings where id = %(only)s"
_GET_MEDIA_OF_JOBS = """
select * from photochanger.media_objects where job_id = any(%(ids)s) and removed_at is null order by expires_at
"""
_ONLY = 1


class PostgresSettingsRepository:
    """One row holds them all; requests wait for what is read, so reading has a lane."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading = database.lane(_get_settings)

    async def get(self) -> StoredSettings:
        row = await self._reading.call("settings")
        return msgspec.convert(row["settings"] | {"version": row["version"]}, StoredSettings)

    async def save(
        self, settings: StoredSettings, *, expected_version: int, audit: AuditEntry | None = None
    ) -> StoredSettings | None:
        stored = msgspec.to_builtins(settings)
        del stored["version"]
        version = expected_version + 1
        same = app_settings.c.version == expected_version
        if not await self._change(same, audit=audit, settings=stored, version=version):
            return None
        return msgspec.structs.replace(settings, version=version)

    async def ingest_password(self) -> StoredPassword | None:
        row = await self._reading.call("ingest_password")
        return msgspec.convert(row["ingest_password"], StoredPassword | None)

    async def set_ingest_password(self, password: StoredPassword, *, audit: AuditEntry | None = None) -> None:
        await self._change(audit=audit, ingest_password=msgspec.to_builtins(password))

    async def replace_ingest_password(self, password: StoredPassword, *, expected_hash: str) -> bool:
        same = app_settings.c.ingest_password["hash"].astext == expected_hash
        return await self._change(same, ingest_password=msgspec.to_builtins(password))

    async def add_ingest_password(self, password: StoredPassword) -> StoredPassword:
        await self._change(app_settings.c.ingest_password.is_(None), ingest_password=msgspec.to_builtins(password))
        return await self.ingest_password() or password

    async def _change(self, *conditions: Any, audit: AuditEntry | None = None, **values: Any) -> bool:
        """Change the row if these hold, and write the audit entry; False where they do not."""
        change = update(app_settings).where(app_settings.c.id == _ONLY, *conditions).values(values)
        async with self._database.begin() as connection:
            if (await connection.execute(change)).rowcount == 0:
                return False
            await write_audit(connection, audit)
            return True


class PostgresMediaRepository:
    """Media objects; a removed one keeps its row, so that its link can say that it has expired.

    Every job that ends asks for its own, so that has a lane.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._of_jobs = database.lane(_get_media_of_jobs)

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

    async def remove(self, media_ids: Collection[UUID], *, now: datetime) -> None:
        if media_ids:
            change = (
                update(media_objects)
                .where(media_objects.c.id.in_(media_ids), media_objects.c.removed_at.is_(None))
                .values(removed_at=now, expires_at=func.least(media_objects.c.expires_at, now))
            )
            async with self._database.begin() as connection:
                await connection.execute(change)

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


async def _get_settings(connection: psycopg.AsyncConnection[Any], batch: Sequence[str]) -> list[Any]:
    """The one row, for each."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_GET_SETTINGS, {"only": _ONLY})
        row = await cursor.fetchone()
    assert row is not None, "the migration makes the row"
    return [row] * len(batch)


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
        file=StoredFile(MediaKey.parse(row.media_key), row.size_bytes, row.sha256),
        mime=row.mime,
        created_at=row.created_at,
        expires_at=row.expires_at,
        job_id=row.job_id,
    )
