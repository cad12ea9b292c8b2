"""The SlotRepository port on PostgreSQL. The template bindings of slots are rows of `slot_templates`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import dict_row
from sqlalchemy import cast, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ...core.domain.audit import AuditEntry
from ...core.domain.costs.budgets import SlotBudget
from ...core.domain.errors import SlotNotFound, TemplateNotFound
from ...core.domain.settings import StoredPassword
from ...core.domain.slots.slot import Route, Slot, TemplateBinding
from ...core.domain.stored_values import from_row
from .audit import write_audit
from .database import Database
from .schema import slot_templates, slots

LOCK_BINDINGS = text("select pg_advisory_xact_lock(5093200007)")
"""Serializes changes of bindings, which would otherwise lock slots and templates in either order."""

_BINDINGS = """
coalesce((
    select jsonb_agg(
        jsonb_build_object('setting_key', bound.setting_key, 'media_id', bound.media_id)
        order by bound.setting_key collate "C"
    )
    from photochanger.slot_templates as bound where bound.slot_id = slots.id
), '[]'::jsonb)
"""
_JSON = ("route", "ingest_password", "budget")
_PLAIN = ", ".join(column.name for column in slots.c if column.name not in _JSON)
_SLOTS = f"""
select {_PLAIN}, ingest_password::text, budget::text,
    (route || jsonb_build_object('templates', {_BINDINGS}))::text as route
from photochanger.slots
"""
_GET_SLOTS = f"{_SLOTS} where id = any(%(ids)s)"

# The transaction that wrote the row last. A change of bindings writes the row as well, for its version.
_WRITTEN_BY = "select id, xmin::text from photochanger.slots order by length(id), id"
_ANY_WRITTEN = "select md5(string_agg(id || ' ' || xmin::text, ',' order by id)) from photochanger.slots"
_GET_WRITTEN = _GET_SLOTS.replace("select ", "select xmin::text as written_by, ", 1)

_routes = msgspec.json.Decoder(Route)
_passwords = msgspec.json.Decoder(StoredPassword)
_budgets = msgspec.json.Decoder(SlotBudget)


class PostgresSlotRepository:
    """Rows of `slots`. Every ingest reads its slot, so reads are batched.

    Of all slots, only those that were written since the last time are read again: they are up to a thousand, and a page
    that shows them asks all evening.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read: dict[str, tuple[str, Slot]] = {}
        self._digest: str | None = None
        self._reading = database.batcher(_get_batch)

    async def get(self, slot_id: str) -> Slot:
        slot: Slot | None = None if "\0" in slot_id else await self._reading.call(slot_id)
        if slot is None:
            raise SlotNotFound(f"There is no slot {slot_id[:40]!r}.")
        return slot

    async def all(self) -> list[Slot]:
        async with self._database.begin() as connection:
            digest: str | None = (await connection.exec_driver_sql(_ANY_WRITTEN)).scalar_one()
            if digest != self._digest:
                written: Sequence[Any] = (await connection.exec_driver_sql(_WRITTEN_BY)).all()
                kept = {id: self._read[id] for id, xmin in written if self._read.get(id, ("",))[0] == xmin}
                changed = [id for id, _ in written if id not in kept]
                if changed:
                    rows = (await connection.exec_driver_sql(_GET_WRITTEN, {"ids": changed})).mappings().all()
                    for fields in map(dict, rows):
                        written_by = fields.pop("written_by")
                        kept[fields["id"]] = (written_by, _slot(fields))
                # The digest is the older one: what was written since is read again next time.
                self._read, self._digest = {id: kept[id] for id, _ in written}, digest
        return [slot for _, slot in self._read.values()]

    async def budgets(self) -> dict[str, SlotBudget]:
        query = (
            select(slots.c.id, slots.c.budget)
            .where(slots.c.budget.is_not(None))
            .order_by(func.length(slots.c.id), slots.c.id)
        )
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        return {slot_id: from_row(_budget, budget) for slot_id, budget in rows}

    async def add_missing(self, slots_to_add: Collection[Slot]) -> None:
        kept = ("version", "updated_at", "stats_reset_at")
        async with self._database.begin() as connection:
            stored = {*await connection.scalars(select(slots.c.id))}
            missing = [slot for slot in slots_to_add if slot.id not in stored]
            if not missing:
                return
            rows = {slot.id: _row(slot) | {name: getattr(slot, name) for name in kept} for slot in missing}
            bound = [slot for slot in missing if slot.route.templates]
            add = upsert(slots).on_conflict_do_nothing()
            await connection.execute(LOCK_BINDINGS)
            for slot in bound:
                if (await connection.execute(add.returning(slots.c.id), rows.pop(slot.id))).one_or_none():
                    await _bind(connection, slot)
            if rows:
                await connection.execute(add, [*rows.values()])

    async def save(self, slot: Slot, *, expected_version: int, audit: AuditEntry | None = None) -> Slot | None:
        version = expected_version + 1
        change = update(slots).where(slots.c.id == slot.id, slots.c.version == expected_version)
        row = _row(slot)
        row["route"] = slots.c.route.op("||")(cast(row["route"], JSONB))  # what a newer version keeps there stays
        change = change.values(row | {"version": version, "updated_at": func.now()})
        async with self._database.begin() as connection:
            await connection.execute(LOCK_BINDINGS)
            kept = (
                await connection.execute(change.returning(slots.c.updated_at, slots.c.stats_reset_at))
            ).one_or_none()
            if kept is not None:
                await _bind(connection, slot)
                await write_audit(connection, audit)
        if kept is None:
            await self.get(slot.id)
            return None
        bindings = tuple(sorted(slot.route.templates, key=lambda binding: binding.setting_key))
        route = msgspec.structs.replace(slot.route, templates=bindings)
        return msgspec.structs.replace(
            slot, route=route, version=version, updated_at=kept.updated_at, stats_reset_at=kept.stats_reset_at
        )

    async def replace_ingest_password(self, slot_id: str, password: StoredPassword, *, expected_hash: str) -> bool:
        same = (slots.c.id == slot_id, slots.c.ingest_password["hash"].astext == expected_hash)
        change = update(slots).where(*same).values(ingest_password=msgspec.to_builtins(password))
        async with self._database.begin() as connection:
            return (await connection.execute(change)).rowcount == 1

    async def reset_stats(self, slot_id: str, *, at: datetime, audit: AuditEntry | None = None) -> None:
        change = update(slots).where(slots.c.id == slot_id).values(stats_reset_at=at)
        async with self._database.begin() as connection:
            if (await connection.execute(change)).rowcount == 0:
                raise SlotNotFound(f"There is no slot {slot_id[:40]!r}.")
            await write_audit(connection, audit)


async def _bind(connection: AsyncConnection, slot: Slot) -> None:
    """Replace the bindings of the slot; TemplateNotFound."""
    await connection.execute(delete(slot_templates).where(slot_templates.c.slot_id == slot.id))
    rows = [
        {"slot_id": slot.id, "setting_key": binding.setting_key, "media_id": _template_id(binding)}
        for binding in slot.route.templates
    ]
    if rows:
        try:
            await connection.execute(insert(slot_templates), rows)
        except IntegrityError as error:
            if isinstance(error.orig, psycopg.errors.ForeignKeyViolation):
                raise TemplateNotFound("The slot names a template that does not exist.") from error
            raise


def _template_id(binding: TemplateBinding) -> UUID:
    try:
        return UUID(binding.media_id)
    except ValueError:
        raise TemplateNotFound(f"Template {binding.media_id[:40]!r} does not exist.") from None


async def _get_batch(connection: psycopg.AsyncConnection[Any], batch: Sequence[str]) -> list[Slot | None]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_GET_SLOTS, {"ids": [*{*batch}]})
        found = {row["id"]: _slot(row) for row in await cursor.fetchall()}
    return [found.get(slot_id) for slot_id in batch]


def _budget(document: Any) -> SlotBudget:
    return msgspec.convert(document, SlotBudget)


def _row(slot: Slot) -> dict[str, Any]:
    route = msgspec.to_builtins(slot.route)
    del route["templates"]
    return {
        "id": slot.id,
        "name": slot.name,
        "active": slot.active,
        "route": route,
        "max_upload_bytes": slot.max_upload_bytes,
        "gallery_open_until": slot.gallery_open_until,
        "gallery_title": slot.gallery_title,
        "ingest_password": msgspec.to_builtins(slot.ingest_password),
        "budget": msgspec.to_builtins(slot.budget),
    }


def _slot(fields: dict[str, Any]) -> Slot:
    password, budget = fields["ingest_password"], fields["budget"]
    fields["route"] = from_row(_routes.decode, fields["route"])
    fields["ingest_password"] = None if password is None else _passwords.decode(password)
    fields["budget"] = None if budget is None else from_row(_budgets.decode, budget)
    return Slot(**fields)
