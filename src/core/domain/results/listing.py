"""Lists of results: which ones, and whether galleries show them."""

from __future__ import annotations

import enum
from datetime import datetime
from uuid import UUID

import msgspec

from ..job import GUEST_SOURCES, Job, JobSource


class Visibility(enum.StrEnum):
    """Whether the galleries of guests show a result. Its own link opens in both cases."""

    SHOWN = "shown"
    HIDDEN = "hidden"


class ListedResult(msgspec.Struct, frozen=True):
    """A job with a result that is available, in a list."""

    job: Job
    visibility: Visibility


class ResultFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Conditions of a list of results; those that are None or empty do not apply. `ended_to` is exclusive."""

    slot_ids: tuple[str, ...] = ()
    job_ids: tuple[UUID, ...] = ()
    sources: tuple[JobSource, ...] = GUEST_SOURCES
    visibility: Visibility | None = None
    ended_from: datetime | None = None
    ended_to: datetime | None = None

    def matches(self, listed: ListedResult, ended_at: datetime) -> bool:
        """Whether all conditions hold for the result of a job that ended then."""
        job = listed.job
        return (
            (not self.slot_ids or job.slot_id in self.slot_ids)
            and (not self.job_ids or job.id in self.job_ids)
            and (not self.sources or job.source in self.sources)
            and self.visibility in (None, listed.visibility)
            and (self.ended_from is None or ended_at >= self.ended_from)
            and (self.ended_to is None or ended_at < self.ended_to)
        )
