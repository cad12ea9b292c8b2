"""The TemplateRepository port on PostgreSQL. A foreign key prevents bindings to templates that do not exist."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import delete, func, insert, join, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ...core.domain.audit import AuditEntry
from ...core.domain.errors import BindingTaken, SlotNotFound, TemplateNotFound, template_bound, template_under_way
from ...core.domain.media import MediaKey, MediaKind, StoredFile, TemplateMedia, template_keys
from ...core.domain.stored_values import from_row
from .audit import write_audit
from .database import Database
from .schema import begun_files, job_routes, jobs, slot_templates, slots, template_media
from .slots import LOCK_BINDINGS

Bindings = tuple[tuple[str, str], ...]


class PostgresTemplateRepository:
    """Rows of `template_media` and `slot_templates`. Binding and removing hold LOCK_BINDINGS."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, template: TemplateMedia, *, audit: AuditEntry | None = None) -> None:
        async with self._database.begin() as connection:
            await connection.execute(insert(template_media).values(_row(template)))
            await write_audit(connection, audit)

    async def add_bound(
        self, template: TemplateMedia, *, slot_id: str, setting_key: str, audit: AuditEntry | None = None
    ) -> None:
        binding = {"slot_id": slot_id, "setting_key": setting_key, "media_id": template.id}
        bind = insert(slot_templates).values(binding)
        async with self._database.begin() as connection:
            await connection.execute(LOCK_BINDINGS)
            await _next_version(connection, [slot_id])
            await connection.execute(insert(template_media).values(_row(template)))
            try:
                await connection.execute(bind)
            except IntegrityError as error:
                if isinstance(error.orig, psycopg.errors.UniqueViolation):
                    raise BindingTaken(f"The slot {slot_id} already has a template {setting_key}.") from error
                raise
            await write_audit(connection, audit)

    async def add_replacing(
        self, template: TemplateMedia, *, slot_id: str, setting_key: str, audit: AuditEntry | None = None
    ) -> None:
        bind = upsert(slot_templates).values(slot_id=slot_id, setting_key=setting_key, media_id=template.id)
        bind = bind.on_conflict_do_update(
            index_elements=[slot_templates.c.slot_id, slot_templates.c.setting_key], set_={"media_id": template.id}
        )
        async with self._database.begin() as connection:
            await connection.execute(LOCK_BINDINGS)
            await _next_version(connection, [slot_id])
            await connection.execute(insert(template_media).values(_row(template)))
            await connection.execute(bind)
            await write_audit(connection, audit)

    async def get(self, template_id: UUID) -> TemplateMedia | None:
        query = select(template_media).where(template_media.c.id == template_id)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _template(row)

    async def find(
        self, *, slot_id: str | None = None, setting_key: str | None = None
    ) -> list[tuple[TemplateMedia, Bindings]]:
        query = select(template_media).order_by(template_media.c.created_at.desc(), template_media.c.id.desc())
        if slot_id is not None or setting_key is not None:
            wanted = {slot_templates.c.slot_id: slot_id, slot_templates.c.setting_key: setting_key}
            fitting = select(slot_templates.c.media_id).where(
                *(column == value for column, value in wanted.items() if value is not None)
            )
            query = query.where(template_media.c.id.in_(fitting))
        async with self._database.begin() as connection:
            templates = [_template(row) for row in (await connection.execute(query)).all()]
            bindings = await _bindings(connection, [template.id for template in templates])
        return [(template, bindings.get(template.id, ())) for template in templates]

    async def remove(
        self, template_id: UUID, *, except_binding: tuple[str, str] | None = None, audit: AuditEntry | None = None
    ) -> TemplateMedia:
        async with self._database.begin() as connection:
            template, bindings = await _locked(connection, template_id)
            used = sorted({binding[0] for binding in bindings if binding != except_binding})
            if used:
                raise template_bound(used)
            if live := await _slots_of_live_jobs(connection, template_id):
                raise template_under_way(live)
            await _remove(connection, template_id, bindings)
            await write_audit(connection, audit)
            return template

    async def remove_bound(self, template_id: UUID, *, audit: AuditEntry | None = None) -> TemplateMedia:
        async with self._database.begin() as connection:
            template, bindings = await _locked(connection, template_id)
            await _remove(connection, template_id, bindings)
            await write_audit(connection, audit)
            return template

    async def in_use(self, keys: Collection[MediaKey]) -> set[MediaKey]:
        owners = {key: _owner(key) for key in keys}
        query = select(template_media.c.id).where(template_media.c.id.in_([id for id in owners.values() if id]))
        async with self._database.begin() as connection:
            known = {*(await connection.scalars(query))}
        return {key for key, owner in owners.items() if owner in known}


async def _locked(connection: AsyncConnection, template_id: UUID) -> tuple[TemplateMedia, Bindings]:
    """The template and its bindings, locked against further bindings. TemplateNotFound."""
    await connection.execute(LOCK_BINDINGS)
    query = select(template_media).where(template_media.c.id == template_id)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise TemplateNotFound("This template does not exist.")
    return _template(row), (await _bindings(connection, [template_id])).get(template_id, ())


async def _slots_of_live_jobs(connection: AsyncConnection, template_id: UUID) -> list[str]:
    """The slots of unfinished jobs that use the template."""
    has_it = job_routes.c.route["templates"].contains([{"media_id": str(template_id)}])
    routed = join(jobs, job_routes, job_routes.c.id == jobs.c.route_id)
    query = select(jobs.c.slot_id).distinct().select_from(routed).where(jobs.c.finalized_at.is_(None), has_it)
    return [*await connection.scalars(query.order_by(jobs.c.slot_id))]


async def _remove(connection: AsyncConnection, template_id: UUID, bindings: Bindings) -> None:
    await connection.execute(delete(slot_templates).where(slot_templates.c.media_id == template_id))
    await connection.execute(delete(template_media).where(template_media.c.id == template_id))
    files = [{"media_key": str(key), "begun_at": func.clock_timestamp()} for key in template_keys(template_id)]
    await connection.execute(insert(begun_files).values(files))
    if bindings:
        await _next_version(connection, sorted({slot_id for slot_id, _ in bindings}))


async def _next_version(connection: AsyncConnection, slot_ids: Collection[str]) -> None:
    """Increment the versions of slots whose bindings change; SlotNotFound."""
    for slot_id in slot_ids:
        change = update(slots).where(slots.c.id == slot_id)
        change = change.values(version=slots.c.version + 1, updated_at=func.now())
        if (await connection.execute(change)).rowcount == 0:
            raise SlotNotFound(f"There is no slot {slot_id[:40]!r}.")


async def _bindings(connection: AsyncConnection, template_ids: Collection[UUID]) -> dict[UUID, Bindings]:
    query = select(slot_templates).where(slot_templates.c.media_id.in_(template_ids))
    found: dict[UUID, list[tuple[str, str]]] = {}
    for row in (await connection.execute(query)).all():
        found.setdefault(row.media_id, []).append((row.slot_id, row.setting_key))
    return {template_id: tuple(sorted(bindings)) for template_id, bindings in found.items()}


def _owner(key: MediaKey) -> UUID | None:
    try:
        return UUID(key.name.removesuffix(".webp")) if key.kind is MediaKind.TEMPLATES else None
    except ValueError:
        return None


def _row(template: TemplateMedia) -> dict[str, Any]:
    return {
        "id": template.id,
        "media_key": str(template.file.key),
        "size_bytes": template.file.size_bytes,
        "sha256": template.file.sha256,
        "mime": template.mime,
        "width": template.width,
        "height": template.height,
        "name": template.name,
        "created_at": template.created_at,
        "created_by": template.created_by,
    }


def _template(row: Any) -> TemplateMedia:
    return TemplateMedia(
        id=row.id,
        file=StoredFile(from_row(MediaKey.parse, row.media_key), row.size_bytes, row.sha256),
        mime=row.mime,
        width=row.width,
        height=row.height,
        name=row.name,
        created_at=row.created_at,
        created_by=row.created_by,
    )
