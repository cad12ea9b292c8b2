"""Webhooks: where they are kept, the outbox of what is to be told, and the way out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from ..domain.audit import AuditEntry
from ..domain.pagination import Page, Position
from ..domain.webhook import Delivery, DeliveryState, Webhook


class WebhookRepository(Protocol):
    """The webhooks, one for a slot at most. Every method may raise QueueUnavailable.

    From the moment on that a slot has one, the queue puts a delivery into the outbox in the very transaction that
    finalizes a job of the slot, unless the job is a test run.
    """

    async def get(self, slot_id: str) -> Webhook | None: ...

    async def save(self, webhook: Webhook, *, audit: AuditEntry | None = None) -> None:
        """Keep this one, in place of the slot's other. SlotNotFound."""
        ...

    async def remove(self, slot_id: str, *, audit: AuditEntry | None = None) -> bool:
        """Forget the slot's webhook and what was still to be delivered; False, and no entry, where there was none."""
        ...


class WebhookOutbox(Protocol):
    """What is to be told, until it was. Time is the queue's own. Every method may raise QueueUnavailable."""

    async def acquire(self, *, n: int, lease: timedelta, exclude_slots: Collection[str] = ()) -> list[Delivery]:
        """Take up to `n` pending deliveries that are due, oldest first, with `attempts` counted up; none of the slots
        `exclude_slots`.

        No two callers get the same one, until the lease ends: then it is due again.
        """
        ...

    async def delivered(self, delivery: Delivery, *, status: int) -> None:
        """Note that it arrived."""
        ...

    async def failed(self, delivery: Delivery, *, error: str, status: int | None, again_in: timedelta | None) -> None:
        """Note that it did not, and after how long to try again; None: it is dead."""
        ...

    async def find(
        self,
        *,
        limit: int,
        states: Collection[DeliveryState] = tuple(DeliveryState),
        slot_id: str | None = None,
        after: Position | None = None,
    ) -> Page[Delivery]:
        """A page of deliveries, newest first (by `created_at`, then id), beginning after this position."""
        ...

    async def retry_now(self, delivery_id: UUID) -> Delivery:
        """Make a delivery that has ended pending and due, its attempts counted anew. WebhookNotFound where there is
        none; one that is pending already becomes due."""
        ...

    async def prune(self, *, delivered_before: datetime, dead_before: datetime, limit: int) -> int:
        """Forget up to `limit` deliveries that ended before these moments; returns how many."""
        ...


class WebhookSender(Protocol):
    """The way to the receivers' machines."""

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """POST the body; the status of the answer, whatever it is. Redirects are not followed.

        Raises WebhookUnreachable: no connection, no answer in time, an address that may not be reached.
        """
        ...

    def check_url(self, url: str) -> None:
        """InvalidSettings for what is no http(s) URL with a host, or holds a password, or names a private address that
        is not allowed, as far as that can be told without asking anybody."""
        ...
