"""The formulas of deadlines, windows and times to live."""

from __future__ import annotations

from datetime import datetime, timedelta

DEFAULT_SYNC_RESPONSE = timedelta(seconds=48)
MIN_SYNC_RESPONSE = timedelta(seconds=10)
MAX_SYNC_RESPONSE = timedelta(seconds=60)
DEFAULT_RESULT_RETENTION = timedelta(hours=72)

DEFAULT_HISTORY = timedelta(days=400)
"""How long ended jobs and their logs are kept: a whole season and the one before it."""

LEASE = timedelta(seconds=10)
"""How long a claim lasts without renewal; short compared with the window, so that another worker still has time."""

LATE_RESCUE = timedelta(seconds=60)
"""How long after the deadline of its job a provider call may go on in a slot with late rescue."""

ORPHAN_GRACE = timedelta(minutes=5)
"""Minimum age of an orphaned file: longer than any window and upload pause."""


def expires_at(created_at: datetime, sync_response: timedelta) -> datetime:
    """Return the deadline of a job: fixed at creation, never moved. ValueError for a window that is not positive."""
    if sync_response <= timedelta(0):
        raise ValueError("the sync window must be positive")
    return created_at + sync_response


def result_expires_at(finalized_at: datetime, retention: timedelta) -> datetime:
    """Return when the public link of a result ends."""
    return finalized_at + retention


def media_expires_at(created_at: datetime, public_link_ttl: timedelta, job_expires_at: datetime | None) -> datetime:
    """Return when the public link of a media object ends: with its job at the latest."""
    own = created_at + public_link_ttl
    return own if job_expires_at is None else min(job_expires_at, own)


def route_ends_at(expires_at: datetime, created_at: datetime) -> datetime:
    """Return when the route must end so that a picture as failure answer is ready at the deadline."""
    return expires_at - fallback_reserve(expires_at - created_at)


def fallback_reserve(window: timedelta) -> timedelta:
    """Return the part of the window kept for a picture as failure answer: a fifth, at most three seconds."""
    return min(window / 5, timedelta(seconds=3))


def storage_patience(window: timedelta) -> timedelta:
    """Return how long a fault of the media store may hold up the arrival of a photo or one entry's call: a fifth of the
    window, at most five seconds, so that most of it is left for the picture."""
    return min(window / 5, timedelta(seconds=5))


def remaining(until: datetime, now: datetime) -> timedelta:
    """Return the time left of a window; never negative."""
    return max(until - now, timedelta(0))
