"""Statistics: how a job is counted, and how counts are summarized."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from ..costs.ledger import NO_COST, CostSum
from ..job import FailureReason, Job, JobSource, JobState, Result
from ..stored_values import StoredEnum

SETTLED_AFTER = timedelta(minutes=1)
"""How old an ended job is before it is folded into sums, so that a reset mark set meanwhile still parts it exactly."""

NO_BUCKET = -1
"""The bucket of a job that did not succeed: its latency is not counted."""

BUCKET_BOUNDS_MS = tuple(round(50 * 1.14**step) for step in range(60))
"""Where the latency buckets begin, from the second on; the first holds all that is faster."""


class StatsOutcome(StoredEnum):
    """How a job is counted. FALLBACK: the route made no picture, the failure answer of the slot did."""

    SUCCESS = "success"
    FALLBACK = "fallback"
    TIMEOUTS = "timeouts"
    PROVIDER_ERRORS = "provider_errors"
    CANCELLED = "cancelled"
    ERRORS = "errors"


class StatsCell(msgspec.Struct, frozen=True, gc=False):
    """Number of jobs in one cell: period (its number in the query), provider ('': none), outcome, bucket."""

    period: int
    provider_id: str
    outcome: StatsOutcome
    bucket: int
    count: int


class Latency(msgspec.Struct, frozen=True):
    """Percentiles in milliseconds of the succeeded jobs' time from arrival to end; None where none succeeded.

    Each is within 8 % of the exact one between 50 ms and 110 s, and is held to these ends beyond them.
    """

    p50: int | None = None
    p95: int | None = None
    p99: int | None = None


class StatsSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Number of jobs by outcome, how long the succeeded ones took, and what calls cost."""

    success: int = 0
    fallback: int = 0
    timeouts: int = 0
    provider_errors: int = 0
    cancelled: int = 0
    errors: int = 0
    ingest_count: int = 0
    latency_ms: Latency = Latency()
    cost: CostSum = NO_COST

    @property
    def success_rate(self) -> float | None:
        """The success rate of these jobs; None without any that counts."""
        return success_rate(self.success, of=self.ingest_count - self.cancelled)


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """An ended job as the statistics see it."""

    slot_id: str
    at: datetime
    provider_id: str
    outcome: StatsOutcome
    bucket: int


def success_rate(pictures: int, *, of: int) -> float | None:
    """The success rate, to four digits: how many of these photos got a picture of their slot's route; None of none.

    The photos are those whose jobs have ended, without cancelled ones and test runs. A fallback answer is no success,
    nor is a photo that cannot be decoded: their guests got no picture of the route.
    """
    return round(pictures / of, 4) if of else None


def outcome_of(failure_reason: FailureReason | None, result: Result | None) -> StatsOutcome:
    """The outcome that a job with this failure reason (None: it succeeded) and this result counts as."""
    if result is not None and result.fallback:
        return StatsOutcome.FALLBACK
    match failure_reason:  # one of a newer version is an error
        case None:
            return StatsOutcome.SUCCESS
        case FailureReason.TIMEOUT:
            return StatsOutcome.TIMEOUTS
        case FailureReason.PROVIDER_ERROR:
            return StatsOutcome.PROVIDER_ERRORS
        case FailureReason.CANCELLED:
            return StatsOutcome.CANCELLED
        case _:
            return StatsOutcome.ERRORS


def ended_job(job: Job) -> Ended | None:
    """The job as it counts; None for one that is not finalized or was a test run."""
    if job.finalized_at is None or job.source is JobSource.TEST:
        return None
    return Ended(
        slot_id=job.slot_id,
        at=job.finalized_at,
        provider_id=job.provider_id or "",
        outcome=outcome_of(job.failure_reason, job.result),
        bucket=bucket_of(job.finalized_at - job.created_at) if job.state is JobState.SUCCEEDED else NO_BUCKET,
    )


def bucket_of(latency: timedelta) -> int:
    """The bucket that a latency falls into, from 0."""
    return bisect_right(BUCKET_BOUNDS_MS, latency // timedelta(milliseconds=1))


def percentile(buckets: Mapping[int, int], share: float) -> int | None:
    """The latency in milliseconds that this share (0 to 1) of the counted jobs did not exceed; None without any."""
    left = math.ceil(sum(buckets.values()) * share)
    for bucket in sorted(buckets):
        left -= buckets[bucket]
        if left <= 0 < buckets[bucket]:
            return _middle(bucket)
    return None


def figures_of(cells: Iterable[StatsCell]) -> StatsSummary:
    """The summary of these cells."""
    counts: dict[StatsOutcome, int] = {}
    buckets: dict[int, int] = {}
    for cell in cells:
        counts[cell.outcome] = counts.get(cell.outcome, 0) + cell.count
        if cell.bucket != NO_BUCKET:
            buckets[cell.bucket] = buckets.get(cell.bucket, 0) + cell.count
    return StatsSummary(
        **by_field(counts),
        latency_ms=Latency(*(percentile(buckets, share) for share in (0.5, 0.95, 0.99))),
    )


def by_field(counts: Mapping[StatsOutcome, int]) -> dict[str, Any]:
    """The counts as fields of StatsSummary. Outcomes of a newer version are counted in `ingest_count` alone."""
    known = {str(outcome): count for outcome, count in counts.items() if outcome.known}
    return {**known, "ingest_count": sum(counts.values())}


def by_provider(cells: Collection[StatsCell]) -> dict[str, StatsSummary]:
    """The summary for each provider, by id; '' is for jobs that ended without one."""
    sorted_out: dict[str, list[StatsCell]] = {}
    for cell in cells:
        sorted_out.setdefault(cell.provider_id, []).append(cell)
    return {provider_id: figures_of(sorted_out[provider_id]) for provider_id in sorted(sorted_out)}


def _middle(bucket: int) -> int:
    """What stands for a bucket: the middle of its ends as ratios, which is off by the same factor at both."""
    if bucket == 0:
        return BUCKET_BOUNDS_MS[0]
    if bucket == len(BUCKET_BOUNDS_MS):
        return BUCKET_BOUNDS_MS[-1]
    return round(math.sqrt(BUCKET_BOUNDS_MS[bucket - 1] * BUCKET_BOUNDS_MS[bucket]))
