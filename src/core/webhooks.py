"""Webhooks: who is told when a job of a slot has ended, what it is signed with, and how often it is tried.

The form of a call follows Standard Webhooks (https://www.standardwebhooks.com): `webhook-id`, `webhook-timestamp` and
`webhook-signature`, which is HMAC-SHA256 over `id.timestamp.body`.
"""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

PAUSES = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
)
"""How long to wait after each call that failed; after the last one the delivery is dead."""

DELIVERED_LIFE = timedelta(days=7)
DEAD_LIFE = timedelta(days=30)
"""How long deliveries are remembered that arrived, and those that did not."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Where a slot's ended jobs are told, and the sealed secret that such calls are signed with."""

    slot_id: str
    url: str
    key_id: str
    sealed_secret: str
    changed_at: datetime
    changed_by: str

    def __repr__(self) -> str:
        return f"Webhook({self.slot_id}, key {self.key_id})"


class DeliveryState(enum.StrEnum):
    """Where a delivery is: to be made, made, or given up."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One ended job to be told of. `attempts` counts the calls made; `last_error` says how the last one failed."""

    id: UUID
    slot_id: str
    job_id: UUID
    state: DeliveryState
    created_at: datetime
    next_at: datetime
    attempts: int = 0
    last_status: int | None = None
    last_error: str | None = None
    ended_at: datetime | None = None


def next_try(attempts: int, now: datetime) -> datetime | None:
    """When to call again after so many calls that failed; None: never."""
    return now + PAUSES[attempts - 1] if attempts <= len(PAUSES) else None
