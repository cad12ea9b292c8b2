"""Webhooks: their repository, the outbox of deliveries, and the sender."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from ..domain.audit import AuditEntry
from ..domain.pagination import Page, Position
from ..domain.webhook import Delivery, DeliveryState, Webhook


class WebhookRepository(Protocol):
    """The webhooks, at most one per slot. Every method may raise QueueUnavailable.

    While a slot has one, the queue adds a delivery to the outbox in the transaction that finalizes a job of the slot,
    unless the job is a test run.
    """

    async def get(self, slot_id: str) -> Webhook | None: ...

    async def save(self, webhook: Webhook, *, audit: AuditEntry | None = None) -> None:
        """Store the webhook, replacing the slot's previous one. SlotNotFound."""
        ...

    async def remove(self, slot_id: str, *, audit: AuditEntry | None = None) -> bool:
        """Delete the slot's webhook and its pending deliveries; False, without an audit entry, if there was none."""
        ...


class WebhookOutbox(Protocol):
    """The deliveries. Times are those of the queue's clock. Every method may raise QueueUnavailable."""

    async def acquire(self, *, n: int, lease: timedelta, exclude_slots: Collection[str] = ()) -> list[Delivery]:
        """Take up to `n` due deliveries, oldest first and none of `exclude_slots`, and count up their `attempts`.

        A delivery belongs to one caller until its lease ends; then it is due again.
        """
        ...

    async def delivered(self, delivery: Delivery, *, status: int) -> None:
        """Record success."""
        ...

    async def failed(self, delivery: Delivery, *, error: str, status: int | None, again_in: timedelta | None) -> None:
        """Record a failed call and the pause before the next one; None: the delivery is dead."""
        ...

    async def find(
        self,
        *,
        limit: int,
        states: Collection[DeliveryState] = tuple(DeliveryState),
        slot_id: str | None = None,
        after: Position | None = None,
    ) -> Page[Delivery]:
        """A page of deliveries after a position, newest first (by `created_at`, then id)."""
        ...

    async def retry_now(self, delivery_id: UUID) -> Delivery:
        """Make a delivery due now; one that has ended becomes pending with its attempts reset. WebhookNotFound."""
        ...

    async def prune(self, *, delivered_before: datetime, dead_before: datetime, limit: int) -> int:
        """Delete up to `limit` deliveries that ended before these times; returns how many."""
        ...


class WebhookSender(Protocol):
    """HTTP calls to receivers."""

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """POST the body; returns the status of the response. Redirects are not followed.

        Raises WebhookUnreachable: no connection, no response in time, an address that is not allowed.
        """
        ...

    def check_url(self, url: str) -> None:
        """InvalidSettings for anything but an http(s) URL with a host, without a password, and (as far as that is known
        without a DNS query) without a private address that is not allowed."""
        ...
