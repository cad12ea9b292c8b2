"""Every window and time-to-live formula, once. Durations are timedeltas, moments are aware datetimes."""

from __future__ import annotations

from datetime import datetime, timedelta

DEFAULT_SYNC_RESPONSE = timedelta(seconds=48)
MIN_SYNC_RESPONSE = timedelta(seconds=10)
MAX_SYNC_RESPONSE = timedelta(seconds=60)
DEFAULT_RESULT_RETENTION = timedelta(hours=72)

DEFAULT_HISTORY = timedelta(days=400)
"""How long ended jobs and their logs are kept: over a whole season and the one before it."""

LEASE = timedelta(seconds=10)
"""How long a worker may be silent before another may take its job; short against the window, so that it can."""

LATE_RESCUE = timedelta(seconds=60)
"""How long after its job's deadline a provider call may go on in a slot with late rescue."""

ORPHAN_GRACE = timedelta(minutes=5)
"""How old a file without an owner must be before it counts as an orphan: longer than any window and upload pause."""


def expires_at(created_at: datetime, sync_response: timedelta) -> datetime:
    """The deadline of a job: fixed at creation, never moved."""
    if sync_response <= timedelta(0):
        raise ValueError("the sync window must be longer than nothing")
    return created_at + sync_response


def result_expires_at(finalized_at: datetime, retention: timedelta) -> datetime:
    """When the public link of a result ends."""
    return finalized_at + retention


def media_expires_at(created_at: datetime, public_link_ttl: timedelta, job_expires_at: datetime | None) -> datetime:
    """When a media object's public link ends: with its job at the latest."""
    own = created_at + public_link_ttl
    return own if job_expires_at is None else min(job_expires_at, own)


def route_ends_at(expires_at: datetime, created_at: datetime) -> datetime:
    """When the route must be done so that a failure answer that is a picture still makes the deadline."""
    return expires_at - fallback_reserve(expires_at - created_at)


def fallback_reserve(window: timedelta) -> timedelta:
    """The part of the window kept for rendering a failure answer: a fifth, three seconds at most."""
    return min(window / 5, timedelta(seconds=3))


def remaining(until: datetime, now: datetime) -> timedelta:
    """What is left of a window; never negative."""
    return max(until - now, timedelta(0))
