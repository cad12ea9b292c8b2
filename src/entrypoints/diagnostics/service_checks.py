"""Checks of the service itself: workers, disk, clock, signing keys, administrators, webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import timedelta

from ...core.domain.accounts import Admin
from ...core.domain.errors import StorageUnavailable
from ...core.domain.webhook import DeliveryState
from ...core.domain.worker import WorkerReport, WorkerStatus
from ...core.ports.database import DatabaseServer, ServerRole
from ...core.ports.secrets import SecretBox, SecretKeyUnavailable, SigningKey
from ...core.ports.webhooks import WebhookOutbox
from ...core.services.auth.signing_keys import opens
from ...core.services.media.disk_space import DiskSpace
from ...core.services.support.database_clock import OFFSET_TOLERANCE, ClockOffset
from ..http.connection.limits import limits_for
from .finding import Finding, FindingCode

_MANY = 100
_FEW_CONNECTIONS = 200
"""Cameras, browsers (six connections each) and guests of a small studio."""

_GIB = 1024**3


def workers(known: Collection[WorkerStatus]) -> Finding:
    """The workers of all hosts. No worker is not a fault by itself: the service may be stopped."""
    silent = [worker.report.name for worker in known if worker.silent]
    working = len(known) - len(silent)
    says = f"{working} working" if working else "none is running"
    wrong = [worker.report for worker in known if not worker.silent and _has_wrong_clock(worker.report)]
    if wrong and not silent:
        clocks = ", ".join(f"{report.name} {report.clock_ahead_seconds:+.1f} s" for report in wrong)
        return Finding(
            "workers",
            f"{says}, clocks that differ from the database's: {clocks}; the differences are corrected",
            "Synchronize the clocks of these hosts (NTP): their log lines and file times are wrong.",
        )
    if not silent:
        found = Finding("workers", says)
        return (
            found.coded(FindingCode.WORKERS_WORKING, count=working)
            if working
            else found.coded(FindingCode.WORKERS_NONE)
        )
    return Finding(
        "workers",
        f"{says}, heartbeats missed: {', '.join(silent)}",
        "Check these hosts and their logs. A killed worker is removed from the list after ten minutes.",
    ).coded(FindingCode.WORKERS_SILENT, count=working, names=silent)


def _has_wrong_clock(report: WorkerReport) -> bool:
    ahead = report.clock_ahead_seconds
    return ahead is not None and timedelta(seconds=abs(ahead)) > OFFSET_TOLERANCE


def database_servers(servers: Collection[DatabaseServer]) -> Finding:
    """Several servers of one database: one must be the primary, the others its standbys."""
    says = ", ".join(
        f"{server.name} {server.role}" + (f" ({server.reason})" if server.reason else "") for server in servers
    )
    fix = None
    if any(server.role is ServerRole.REPLACED for server in servers):
        fix = "Stop the server that was replaced, and make it a standby: docs/how-to/running/postgresql.md."
    elif any(server.role is ServerRole.AWAY for server in servers):
        fix = "Start the server that is away. Until then no other one can take over."
    return Finding("database servers", says, fix)


async def disk(space: DiskSpace) -> Finding:
    """Free space of the media store against the minimum for accepting photos."""
    try:
        room = await space.room()
    except StorageUnavailable as error:
        found = Finding("disk", error.detail, "Check the media folder (PHOTOCHANGER_MEDIA_ROOT).")
        return found.coded(FindingCode.DISK_UNREADABLE, reason=error.detail)
    if room.free_bytes is None:
        return Finding("disk", "free space of the media store unknown").coded(FindingCode.DISK_UNKNOWN)
    sizes = {"free_bytes": room.free_bytes, "floor_bytes": room.floor_bytes}
    says = f"{room.free_bytes / _GIB:.1f} GiB free for media, {room.floor_bytes / _GIB:.2f} GiB minimum"
    if not room.enough:
        found = Finding("disk", says, "Free up space: photos are refused below PHOTOCHANGER_MIN_FREE_BYTES.")
        return found.coded(FindingCode.DISK_FULL, **sizes)
    tight = room.free_bytes < max(2 * room.floor_bytes, 2 * _GIB)
    found = Finding("disk", says, "Free up space soon." if tight else None)
    return found.coded(FindingCode.DISK_LOW if tight else FindingCode.DISK_FREE, **sizes)


def open_files(limit: int) -> Finding:
    """The limit on open files, from which the bound on connections follows."""
    bounds = limits_for(limit)
    says = (
        f"{limit} can be open: {bounds.total} connections, {bounds.reserve} of them for addresses that authenticated, "
        f"{bounds.per_address} for any other address"
    )
    fix = "Raise the limit to 4096 or more: LimitNOFILE= of systemd, nofile in limits.conf, ulimits of the container."
    few = bounds.total < _FEW_CONNECTIONS
    found = Finding("open files", says, fix if few else None)
    return found.coded(FindingCode.OPEN_FILES_FEW if few else FindingCode.OPEN_FILES, limit=limit, total=bounds.total)


def clock(offset: ClockOffset) -> Finding:
    """This machine's clock against the database's, which jobs follow."""
    if offset.least <= OFFSET_TOLERANCE:
        found = Finding("clock", f"{offset.least.total_seconds():.1f} s from the database's")
        return found.coded(FindingCode.CLOCK_RIGHT, seconds=round(offset.least.total_seconds(), 1))
    is_ahead = offset.ahead > timedelta(0)
    side = "ahead of" if is_ahead else "behind"
    return Finding(
        "clock",
        f"{offset.least.total_seconds():.1f} s {side} the database's; the difference is corrected",
        "Synchronize both clocks (NTP): log lines, file times and certificates still follow this machine's clock.",
    ).coded(
        FindingCode.CLOCK_AHEAD if is_ahead else FindingCode.CLOCK_BEHIND,
        seconds=round(offset.least.total_seconds(), 1),
    )


def shared_key(*, is_same: bool) -> Finding:
    """Whether the secret key of this host is that of the database."""
    if is_same:
        return Finding("shared secret key", "is that of the database").coded(FindingCode.SECRET_KEY_SHARED)
    return Finding(
        "shared secret key",
        "this host's key is not that of the other hosts of the database",
        "Set PHOTOCHANGER_SECRET_KEY to the key of the other hosts, or stop all hosts and run "
        "`photochanger admin change-secret-key`.",
    ).coded(FindingCode.SECRET_KEY_DIFFERS)


def unreadable_key(part: str, error: SecretKeyUnavailable) -> Finding:
    """The secret key that cannot be used."""
    found = Finding(part, error.detail, "Fix the secret key.")
    return found.coded(FindingCode.SIGNING_KEYS_UNREADABLE, reason=error.detail)


async def signing_keys(keys: Collection[SigningKey], box: SecretBox) -> Finding:
    """Whether the signing keys of access tokens can be decrypted with this secret key."""
    if not keys:
        return Finding("signing keys", "none yet; the first login creates one").coded(FindingCode.SIGNING_KEYS_NONE)
    try:
        broken = [key.id for key in keys if not await asyncio.to_thread(opens, key, box)]
    except SecretKeyUnavailable as error:
        return unreadable_key("signing keys", error)
    if not broken:
        found = Finding("signing keys", f"{len(keys)} can be decrypted")
        return found.coded(FindingCode.SIGNING_KEYS_GOOD, count=len(keys))
    return Finding(
        "signing keys",
        f"cannot be decrypted: {', '.join(broken)}",
        "Restore PHOTOCHANGER_SECRET_KEY, or run `photochanger admin rotate-key`, which ends all sessions.",
    ).coded(FindingCode.SIGNING_KEYS_BROKEN, names=broken)


def administrators(admins: Collection[Admin]) -> Finding:
    """Whether any administrator can log in."""
    active = [admin for admin in admins if admin.disabled_at is None]
    if active:
        found = Finding("administrators", f"{len(active)} of {len(admins)} can log in")
        return found.coded(FindingCode.ADMINISTRATORS_ACTIVE, count=len(active), total=len(admins))
    found = Finding("administrators", "no administrator can log in", "Run `photochanger admin add NAME`.")
    return found.coded(FindingCode.ADMINISTRATORS_NONE)


async def webhooks(outbox: WebhookOutbox) -> Finding:
    """Dead deliveries, by slot."""
    dead = (await outbox.find(limit=_MANY, states=[DeliveryState.DEAD])).items
    if not dead:
        return Finding("webhooks", "no dead deliveries").coded(FindingCode.WEBHOOKS_GOOD)
    slots = sorted({delivery.slot_id for delivery in dead})
    count = f"{len(dead)} deliveries" if len(dead) < _MANY else f"{_MANY} deliveries or more"
    return Finding(
        "webhooks",
        f"{count} of {', '.join(slots)} failed for good; last error: {dead[0].last_error}",
        "Fix the receiver. `GET /api/webhooks/deliveries` lists the deliveries; each can be repeated.",
    ).coded(FindingCode.WEBHOOKS_DEAD, count=len(dead), slots=slots, error=dead[0].last_error)
