"""Webhooks and their outbox on PostgreSQL. The statements that finalize jobs add deliveries."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from sqlalchemy import CursorResult, and_, case, delete, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from ...core.domain.audit import AuditEntry
from ...core.domain.errors import SlotNotFound, WebhookNotFound
from ...core.domain.pagination import Page, Position
from ...core.domain.stored_values import from_row
from ...core.domain.webhook import Delivery, DeliveryState, Webhook
from .audit import write_audit
from .database import Database
from .schema import webhook_deliveries, webhooks

_delivery = webhook_deliveries.c


class PostgresWebhookRepository:
    """One row per slot with a webhook; its deliveries are deleted with it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, slot_id: str) -> Webhook | None:
        async with self._database.begin() as connection:
            query = select(webhooks).where(webhooks.c.slot_id == slot_id)
            row = (await connection.execute(query)).mappings().one_or_none()
        return None if row is None else Webhook(**row)

    async def save(self, webhook: Webhook, *, audit: AuditEntry | None = None) -> None:
        values = msgspec.structs.asdict(webhook)
        change = upsert(webhooks).values(values)
        change = change.on_conflict_do_update(index_elements=[webhooks.c.slot_id], set_=values)
        try:
            async with self._database.begin() as connection:
                await connection.execute(change)
                await write_audit(connection, audit)
        except IntegrityError as error:
            if isinstance(error.orig, psycopg.errors.ForeignKeyViolation):
                raise SlotNotFound(f"There is no slot {webhook.slot_id[:40]!r}.") from None
            raise

    async def remove(self, slot_id: str, *, audit: AuditEntry | None = None) -> bool:
        async with self._database.begin() as connection:
            removed = (await connection.execute(delete(webhooks).where(webhooks.c.slot_id == slot_id))).rowcount == 1
            if removed:
                await write_audit(connection, audit)
        return removed


class PostgresWebhookOutbox:
    """Rows; acquiring one moves its `next_at` into the future, which is its lease."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def acquire(self, *, n: int, lease: timedelta, exclude_slots: Collection[str] = ()) -> list[Delivery]:
        due = (
            select(_delivery.id, _delivery.next_at.label("due_at"))
            .where(
                _delivery.state == DeliveryState.PENDING,
                _delivery.next_at <= func.now(),
                _delivery.slot_id.not_in([*exclude_slots]),
            )
            .order_by(_delivery.next_at)
            .limit(n)
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        take = (
            update(webhook_deliveries)
            .where(_delivery.id == due.c.id)
            .values(attempts=_delivery.attempts + 1, next_at=func.now() + lease)
            .returning(*_delivery, due.c.due_at)
        )
        async with self._database.begin() as connection:
            rows = [dict(row) for row in (await connection.execute(take)).mappings()]
        rows.sort(key=lambda row: (row.pop("due_at"), row["created_at"], row["id"]))
        return [_from_row(row) for row in rows]

    async def delivered(self, delivery: Delivery, *, status: int) -> None:
        change = (
            update(webhook_deliveries)
            .where(_delivery.id == delivery.id, _delivery.state == DeliveryState.PENDING)
            .values(state=DeliveryState.DELIVERED, last_status=status, last_error=None, ended_at=func.now())
        )
        await self._change(change)

    async def failed(self, delivery: Delivery, *, error: str, status: int | None, again_in: timedelta | None) -> None:
        values: dict[str, Any] = {"last_status": status, "last_error": error}
        if again_in is None:
            values |= {"state": DeliveryState.DEAD, "ended_at": func.now()}
        else:
            values["next_at"] = func.now() + again_in
        newest = and_(_delivery.state == DeliveryState.PENDING, _delivery.attempts == delivery.attempts)
        await self._change(update(webhook_deliveries).where(_delivery.id == delivery.id, newest).values(values))

    async def find(
        self,
        *,
        limit: int,
        states: Collection[DeliveryState] = tuple(DeliveryState),
        slot_id: str | None = None,
        after: Position | None = None,
    ) -> Page[Delivery]:
        query = (
            select(webhook_deliveries)
            .where(_delivery.state.in_([*states]))
            .order_by(_delivery.created_at.desc(), _delivery.id.desc())
            .limit(limit + 1)
        )
        if slot_id is not None:
            query = query.where(_delivery.slot_id == slot_id)
        if after is not None:
            query = query.where(tuple_(_delivery.created_at, _delivery.id) < (after.at, after.id))
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).mappings().all()
        page = tuple(_from_row(row) for row in rows[:limit])
        return Page(page, Position(page[-1].created_at, page[-1].id) if len(rows) > limit else None)

    async def retry_now(self, delivery_id: UUID) -> Delivery:
        # A pending one keeps its count: a call under way must not take the next one's number.
        counted = case((_delivery.state == DeliveryState.PENDING, _delivery.attempts), else_=0)
        change = (
            update(webhook_deliveries)
            .where(_delivery.id == delivery_id)
            .values(state=DeliveryState.PENDING, attempts=counted, next_at=func.now(), ended_at=None)
            .returning(*_delivery)
        )
        async with self._database.begin() as connection:
            row = (await connection.execute(change)).mappings().one_or_none()
        if row is None:
            raise WebhookNotFound("There is no such delivery.")
        return _from_row(row)

    async def prune(self, *, delivered_before: datetime, dead_before: datetime, limit: int) -> int:
        old = (
            select(_delivery.id)
            .where(
                or_(
                    and_(_delivery.state == DeliveryState.DELIVERED, _delivery.ended_at < delivered_before),
                    and_(_delivery.state == DeliveryState.DEAD, _delivery.ended_at < dead_before),
                )
            )
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return await self._change(delete(webhook_deliveries).where(_delivery.id.in_(old)))

    async def _change(self, statement: Any) -> int:
        async with self._database.begin() as connection:
            result: CursorResult[Any] = await connection.execute(statement)
            return result.rowcount


def _from_row(row: Any) -> Delivery:
    return Delivery(**{**row, "state": from_row(DeliveryState, row["state"])})
