"""Webhooks and their outbox in memory; the queue over the same database adds deliveries as it finalizes jobs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from ...core.domain.audit import AuditEntry
from ...core.domain.errors import WebhookNotFound
from ...core.domain.pagination import Page, Position
from ...core.domain.webhook import Delivery, DeliveryState, Webhook
from ...core.ports.repositories.slot_repository import SlotRepository
from .audit import MemoryAuditLog
from .database import MemoryDatabase


class MemoryWebhookRepository:
    """Webhooks by slot, in the queue's database."""

    def __init__(self, database: MemoryDatabase, slots: SlotRepository, audit: MemoryAuditLog | None = None) -> None:
        self._db = database
        self._slots = slots
        self._audit = audit or MemoryAuditLog()

    async def get(self, slot_id: str) -> Webhook | None:
        return self._db.webhooks.get(slot_id)

    async def save(self, webhook: Webhook, *, audit: AuditEntry | None = None) -> None:
        await self._slots.get(webhook.slot_id)
        self._db.webhooks[webhook.slot_id] = webhook
        self._audit.write(audit)

    async def remove(self, slot_id: str, *, audit: AuditEntry | None = None) -> bool:
        if self._db.webhooks.pop(slot_id, None) is None:
            return False
        for delivery in [*self._db.deliveries.values()]:
            if delivery.slot_id == slot_id:
                del self._db.deliveries[delivery.id]
        self._audit.write(audit)
        return True


class MemoryWebhookOutbox:
    """Deliveries in a dictionary; an acquired one is due again at the end of its lease."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database

    async def acquire(self, *, n: int, lease: timedelta, exclude_slots: Collection[str] = ()) -> list[Delivery]:
        now = self._db.clock.now()
        due = [
            one
            for one in self._db.deliveries.values()
            if one.state is DeliveryState.PENDING and one.next_at <= now and one.slot_id not in exclude_slots
        ]
        due.sort(key=lambda one: (one.next_at, one.created_at, one.id))
        return [self._change(one, attempts=one.attempts + 1, next_at=now + lease) for one in due[:n]]

    async def delivered(self, delivery: Delivery, *, status: int) -> None:
        if (kept := self._pending(delivery.id)) is not None:
            self._change(
                kept,
                state=DeliveryState.DELIVERED,
                last_status=status,
                last_error=None,
                ended_at=self._db.clock.now(),
            )

    async def failed(self, delivery: Delivery, *, error: str, status: int | None, again_in: timedelta | None) -> None:
        kept = self._pending(delivery.id)
        if kept is None or kept.attempts != delivery.attempts:
            return
        kept = self._change(kept, last_status=status, last_error=error)
        if again_in is None:
            self._change(kept, state=DeliveryState.DEAD, ended_at=self._db.clock.now())
        else:
            self._change(kept, next_at=self._db.clock.now() + again_in)

    async def find(
        self,
        *,
        limit: int,
        states: Collection[DeliveryState] = tuple(DeliveryState),
        slot_id: str | None = None,
        after: Position | None = None,
    ) -> Page[Delivery]:
        found = sorted(
            (
                one
                for one in self._db.deliveries.values()
                if one.state in states
                and slot_id in (None, one.slot_id)
                and (after is None or (one.created_at, one.id) < (after.at, after.id))
            ),
            key=lambda one: (one.created_at, one.id),
            reverse=True,
        )
        page = tuple(found[:limit])
        return Page(page, Position(page[-1].created_at, page[-1].id) if len(found) > limit else None)

    async def retry_now(self, delivery_id: UUID) -> Delivery:
        kept = self._db.deliveries.get(delivery_id)
        if kept is None:
            raise WebhookNotFound("There is no such delivery.")
        # A pending one keeps its count: a call under way must not take the next one's number.
        attempts = kept.attempts if kept.state is DeliveryState.PENDING else 0
        return self._change(
            kept, state=DeliveryState.PENDING, attempts=attempts, next_at=self._db.clock.now(), ended_at=None
        )

    async def prune(self, *, delivered_before: datetime, dead_before: datetime, limit: int) -> int:
        bounds = {DeliveryState.DELIVERED: delivered_before, DeliveryState.DEAD: dead_before}
        old = [
            one
            for one in self._db.deliveries.values()
            if one.ended_at is not None and one.state in bounds and one.ended_at < bounds[one.state]
        ][:limit]
        for one in old:
            del self._db.deliveries[one.id]
        return len(old)

    def _pending(self, delivery_id: UUID) -> Delivery | None:
        kept = self._db.deliveries.get(delivery_id)
        return kept if kept is not None and kept.state is DeliveryState.PENDING else None

    def _change(self, delivery: Delivery, **fields: Any) -> Delivery:
        changed = msgspec.structs.replace(delivery, **fields)
        self._db.deliveries[delivery.id] = changed
        return changed
