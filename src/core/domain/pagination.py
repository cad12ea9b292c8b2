"""Long lists page by page, and the filter and order of a list of jobs.

A page starts after a position, so that new items do not shift it.
"""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

import msgspec

from .job import FailureReason, Job, JobSource, JobState

T = TypeVar("T")


class Position(msgspec.Struct, frozen=True):
    """A position in a list that is sorted by time and then by ID."""

    at: datetime
    id: UUID


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A part of a list and the position of the next page; None at the end of the list."""

    items: tuple[T, ...]
    next: Position | None = None


class JobResult(enum.StrEnum):
    """What a list of jobs shows by their result: a picture of the route, only the failure answer's, or none at the
    end."""

    PICTURE = "picture"
    FALLBACK = "fallback"
    NONE = "none"


class JobFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Conditions of a list of jobs; those that are None or empty do not apply. `created_to` is exclusive."""

    states: tuple[JobState, ...] = ()
    slot_id: str | None = None
    failure_reason: FailureReason | None = None
    source: JobSource | None = None
    result: JobResult | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None

    def matches(self, job: Job) -> bool:
        """Whether all conditions hold for the job."""
        return (
            (not self.states or job.state in self.states)
            and self.slot_id in (None, job.slot_id)
            and self.failure_reason in (None, job.failure_reason)
            and self.source in (None, job.source)
            and self.result in (None, _result_of(job))
            and (self.created_from is None or job.created_at >= self.created_from)
            and (self.created_to is None or job.created_at < self.created_to)
        )


def _result_of(job: Job) -> JobResult | None:
    """Return the kind of the job's result, None while it runs."""
    if job.result is not None:
        return JobResult.FALLBACK if job.result.fallback else JobResult.PICTURE
    return None if job.finalized_at is None else JobResult.NONE


class JobOrder(enum.StrEnum):
    """Order of a list of jobs. Lists by `finalized_at` contain only finalized jobs."""

    NEWEST = "-created_at"
    OLDEST = "created_at"
    ENDED_LAST = "-finalized_at"
    ENDED_FIRST = "finalized_at"
