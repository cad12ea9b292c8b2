"""What a glance at a slot tells: whether it works, and why not, by its route and by how its last jobs ended."""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from datetime import timedelta

import msgspec

from .job import FailureReason, Job, JobSource

LATELY = timedelta(minutes=15)
"""How far back the jobs go that a slot is judged by."""

NOT_THE_SLOTS = frozenset({FailureReason.CANCELLED, FailureReason.INVALID_PHOTO})
"""Why jobs end that tell nothing of their slot: somebody cancelled them, or the photo is none."""

_MIN_FAILED = 3
_FAILING_SHARE = 0.5
_DEGRADED_SHARE = 0.1


class SlotState(enum.StrEnum):
    """How a slot is doing.

    OFF: nobody can send photos to it. FAILING: most photos get no picture. DEGRADED: photos get a picture, but not
    always the one that they should, or only by a fallback. ACTIVE: all is well.
    """

    OFF = "off"
    FAILING = "failing"
    DEGRADED = "degraded"
    ACTIVE = "active"


class RecentOutcomes(msgspec.Struct, frozen=True, kw_only=True):
    """How a slot's jobs ended that ended lately.

    Test runs, cancelled jobs and photos that are none are not among them: they tell nothing of the slot. A job whose
    failure answer was a picture is one of `fallbacks`; `failed` are those that got none.
    """

    ended: int = 0
    failed: int = 0
    fallbacks: int = 0


class SlotHealth(msgspec.Struct, frozen=True):
    """A slot's state, and a short text for each thing that speaks against `active`."""

    state: SlotState
    reasons: tuple[str, ...] = ()


def tells_of_slot(job: Job) -> bool:
    """Whether an ended job is one of those that a slot is judged by."""
    return job.source is not JobSource.TEST and job.failure_reason not in NOT_THE_SLOTS


def last_jobs(jobs: Collection[Job]) -> RecentOutcomes:
    """How these jobs of one slot ended, all of which tell of it."""
    return RecentOutcomes(
        ended=len(jobs),
        failed=sum(job.failure_reason is not None and not _has_fallback(job) for job in jobs),
        fallbacks=sum(_has_fallback(job) for job in jobs),
    )


def _has_fallback(job: Job) -> bool:
    return job.result is not None and job.result.fallback


def condition_of(troubles: Sequence[str | None], last: RecentOutcomes) -> SlotHealth:
    """How a slot that is switched on is doing.

    `troubles`: for each entry of its route, first to last, what keeps it from working right now; None: nothing.
    """
    reasons = [trouble for trouble in troubles if trouble is not None]
    if not troubles:
        reasons.append("The route is empty.")
    missed = last.failed + last.fallbacks
    if last.failed:
        reasons.append(f"{last.failed} of the last {last.ended} photos got no picture.")
    if last.fallbacks:
        reasons.append(f"{last.fallbacks} of the last {last.ended} photos got a fallback.")
    if all(trouble is not None for trouble in troubles):
        return SlotHealth(SlotState.FAILING, tuple(reasons))
    if last.failed >= _MIN_FAILED and last.failed > last.ended * _FAILING_SHARE:
        return SlotHealth(SlotState.FAILING, tuple(reasons))
    if troubles[0] is not None or missed > last.ended * _DEGRADED_SHARE:
        return SlotHealth(SlotState.DEGRADED, tuple(reasons))
    return SlotHealth(SlotState.ACTIVE)
