"""Webhooks: the receiver of a slot's ended jobs, the signature of a call, and its retries.

A call follows Standard Webhooks (https://www.standardwebhooks.com): `webhook-id`, `webhook-timestamp` and
`webhook-signature`, which is HMAC-SHA256 over `id.timestamp.body`.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from .stored_values import StoredEnum

PAUSES = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
)
"""Pauses after failed calls; after the last one the delivery is dead."""

SECRET_PREFIX = "whsec_"
"""Prefix of a secret as text; the rest is base64 of the key."""

DELIVERED_LIFE = timedelta(days=7)
DEAD_LIFE = timedelta(days=30)
"""How long deliveries are kept after success and after failure."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """The receiver of a slot's ended jobs, and the sealed secret that signs the calls."""

    slot_id: str
    url: str
    key_id: str
    sealed_secret: str
    changed_at: datetime
    changed_by: str

    def __repr__(self) -> str:
        return f"Webhook({self.slot_id}, key {self.key_id})"


class DeliveryState(StoredEnum):
    """State of a delivery: to be made, made, or given up."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """The notification of one ended job. `attempts` counts the calls made; `last_error` is of the last failed one."""

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


def pause_after(attempts: int, *, pauses: Sequence[timedelta] = PAUSES) -> timedelta | None:
    """The pause after this many failed calls; None if there is no further attempt."""
    return pauses[attempts - 1] if attempts <= len(pauses) else None


def secret_purpose(slot_id: str) -> str:
    """The purpose that a sealed secret is bound to, so that it cannot be moved to another slot."""
    return f"webhook {slot_id}"


def signed_headers(delivery_id: UUID, body: bytes, *, secret: str, key_id: str, at: datetime) -> dict[str, str]:
    """The headers of a call made at `at`. ValueError for an invalid secret."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    seconds = int(at.timestamp())
    mac = hmac.digest(key, f"{delivery_id}.{seconds}.".encode() + body, "sha256")
    return {
        "content-type": "application/json",
        "user-agent": "PhotoChanger",
        "webhook-id": str(delivery_id),
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
        "webhook-key-id": key_id,
    }
