"""Slots, settings and media objects on PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import dict_row, namedtuple_row
from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from ...core.errors import SlotNotFound
from ...core.media import MediaKey, MediaObject, StoredFile
from ...core.settings import StoredPassword, StoredSettings
from ...core.slots import Route, Slot
from .engine import Database
from .tables import app_settings, media_objects, slots

_GET_SETTINGS = "select settings, ingest_password from photochanger.app_settings where id = %(only)s"
_GET_MEDIA_OF_JOBS = """
select * from photochanger.media_objects where job_id = any(%(ids)s) and removed_at is null order by expires_at
"""
_GET_SLOTS = "select * from photochanger.slots where id = any(%(ids)s)"
_ONLY = 1


class PostgresSlotRepository:
    """Every ingest reads its slot anew, so that reading has a lane."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading = database.lane(_get_batch)

    async def get(self, slot_id: str) -> Slot:
        slot: Slot | None = await self._reading.call(slot_id)
        if slot is None:
            raise SlotNotFound(f"There is no slot {slot_id[:40]!r}.")
        return slot

    async def all(self) -> list[Slot]:
        async with self._database.begin() as connection:
            rows = (await connection.execute(select(slots).order_by(slots.c.id))).mappings().all()
        return [_slot(row) for row in rows]

    async def add_missing(self, slots_to_add: Collection[Slot]) -> None:
        async with self._database.begin() as connection:
            await connection.execute(upsert(slots).on_conflict_do_nothing(), [_row(slot) for slot in slots_to_add])

    async def save(self, slot: Slot, *, expected_version: int) -> Slot | None:
        values = _row(slot) | {"version": expected_version + 1, "updated_at": func.now()}
        change = (
            update(slots)
            .where(slots.c.id == slot.id, slots.c.version == expected_version)
            .values(values)
            .returning(*slots.c)
        )
        async with self._database.begin() as connection:
            row = (await connection.execute(change)).mappings().one_or_none()
        if row is None:
            await self.get(slot.id)
            return None
        return _slot(row)


class PostgresSettingsRepository:
    """One row holds them all; requests wait for what is read, so reading has a lane."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading = database.lane(_get_settings)

    async def get(self) -> StoredSettings:
        return msgspec.convert(await self._reading.call("settings"), StoredSettings)

    async def save(self, settings: StoredSettings) -> None:
        await self._change(settings=msgspec.to_builtins(settings))

    async def ingest_password(self) -> StoredPassword | None:
        return msgspec.convert(await self._reading.call("ingest_password"), StoredPassword | None)

    async def set_ingest_password(self, password: StoredPassword) -> None:
        await self._change(ingest_password=msgspec.to_builtins(password))

    async def replace_ingest_password(self, password: StoredPassword, *, expected_hash: str) -> bool:
        same = app_settings.c.ingest_password["hash"].astext == expected_hash
        return await self._change(same, ingest_password=msgspec.to_builtins(password)) == 1

    async def add_ingest_password(self, password: StoredPassword) -> StoredPassword:
        await self._change(app_settings.c.ingest_password.is_(None), ingest_password=msgspec.to_builtins(password))
        return await self.ingest_password() or password

    async def _change(self, *conditions: Any, **values: Any) -> int:
        change = update(app_settings).where(app_settings.c.id == _ONLY, *conditions).values(values)
        async with self._database.begin() as connection:
            return int((await connection.execute(change)).rowcount)


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


async def _get_batch(connection: psycopg.AsyncConnection[Any], batch: Sequence[str]) -> list[Slot | None]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_GET_SLOTS, {"ids": [*{*batch}]})
        found = {row["id"]: _slot(row) for row in await cursor.fetchall()}
    return [found.get(slot_id) for slot_id in batch]


async def _get_settings(connection: psycopg.AsyncConnection[Any], batch: Sequence[str]) -> list[Any]:
    """The columns of these names, of the one row."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_GET_SETTINGS, {"only": _ONLY})
        row = await cursor.fetchone()
    assert row is not None, "the migration makes the row"
    return [row[name] for name in batch]


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


def _row(slot: Slot) -> dict[str, Any]:
    fields = {name: getattr(slot, name) for name in slot.__struct_fields__}
    return fields | {"route": msgspec.to_builtins(slot.route)}


def _slot(row: Any) -> Slot:
    return Slot(**{**row, "route": msgspec.convert(row["route"], Route)})
