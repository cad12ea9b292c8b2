"""What `doctor` finds about the service itself: workers, disk, clock, signing keys, administrators, webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta

from ...core.domain.accounts import Admin
from ...core.domain.errors import StorageUnavailable
from ...core.domain.webhook import DeliveryState
from ...core.domain.worker import WorkerStatus
from ...core.ports.secrets import SecretBox, SecretKeyUnavailable, SigningKey
from ...core.ports.webhooks import WebhookOutbox
from ...core.services.auth.signing_keys import opens
from ...core.services.media.disk_space import DiskSpace
from .finding import Finding

CLOCK_TOLERANCE = timedelta(seconds=1)
"""Deadlines are made by this machine's clock and kept by the database's: more than this takes time from guests."""

_MANY = 100
_GIB = 1024**3


def workers(seen: Collection[WorkerStatus]) -> Finding:
    """Who works, on any host. That nobody does is no fault by itself: the service may be stopped."""
    silent = [worker.report.name for worker in seen if worker.silent]
    working = len(seen) - len(silent)
    says = f"{working} working" if working else "none is running"
    if not silent:
        return Finding("workers", says)
    return Finding(
        "workers",
        f"{says}, silent without having stopped: {', '.join(silent)}",
        "Look at these hosts and their logs; a worker that was killed is forgotten after ten minutes.",
    )


async def disk(space: DiskSpace) -> Finding:
    """The room in the media store against the floor under which no photo is taken."""
    try:
        room = await space.room()
    except StorageUnavailable as error:
        return Finding("disk", error.detail, "Check the media folder (PHOTOCHANGER_MEDIA_ROOT).")
    if room.free_bytes is None:
        return Finding("disk", "the media store does not tell how much is free")
    says = f"{room.free_bytes / _GIB:.1f} GiB free for media, {room.floor_bytes / _GIB:.2f} GiB are kept free"
    if not room.enough:
        return Finding("disk", says, "Make room: no photo is taken below PHOTOCHANGER_MIN_FREE_BYTES.")
    tight = room.free_bytes < max(2 * room.floor_bytes, 2 * _GIB)
    return Finding("disk", says, "Make room soon." if tight else None)


def clock(here: datetime, there: datetime, *, took: timedelta) -> Finding:
    """This machine's clock against the database's, which was asked for `took` before `here`."""
    apart = abs(here - took / 2 - there)
    says = f"{max(apart - took / 2, timedelta(0)) / timedelta(seconds=1):.1f} s from the database's"
    if apart - took / 2 <= CLOCK_TOLERANCE:
        return Finding("clock", says)
    return Finding("clock", says, "Set both clocks by a time server (NTP): deadlines are wrong by as much.")


async def signing_keys(keys: Collection[SigningKey], box: SecretBox) -> Finding:
    """Whether the keys that access tokens are signed with can be opened with this secret."""
    if not keys:
        return Finding("signing keys", "none yet; one is made at the first login")
    try:
        broken = [key.id for key in keys if not await asyncio.to_thread(opens, key, box)]
    except SecretKeyUnavailable as error:
        return Finding("signing keys", error.detail, "Mend what it says.")
    if not broken:
        return Finding("signing keys", f"{len(keys)}, which can be opened")
    return Finding(
        "signing keys",
        f"cannot be opened: {', '.join(broken)}",
        "Set PHOTOCHANGER_SECRET_KEY as it was, or run `photochanger admin rotate-key`; everybody logs in again.",
    )


def administrators(admins: Collection[Admin]) -> Finding:
    """Whether anybody can log in."""
    active = [admin for admin in admins if admin.disabled_at is None]
    if active:
        return Finding("administrators", f"{len(active)} of {len(admins)} can log in")
    return Finding("administrators", "nobody can log in", "Run `photochanger admin add NAME`.")


async def webhooks(outbox: WebhookOutbox) -> Finding:
    """Deliveries that were given up, by slot."""
    dead = (await outbox.find(limit=_MANY, states=[DeliveryState.DEAD])).items
    if not dead:
        return Finding("webhooks", "no delivery was given up")
    slots = sorted({delivery.slot_id for delivery in dead})
    count = f"{len(dead)} deliveries" if len(dead) < _MANY else f"{_MANY} deliveries or more"
    return Finding(
        "webhooks",
        f"{count} of {', '.join(slots)} were given up, the last one on: {dead[0].last_error}",
        "Mend the receiver; `GET /api/webhooks/deliveries` lists them, and each can be sent again.",
    )
