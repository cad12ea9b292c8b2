"""The JobRepository contract for the overview of all slots: how their last jobs ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import msgspec
import pytest
from photochanger.core.domain.job import FailureReason, Job, JobSource, JobState
from photochanger.core.domain.slots.slot_health import RecentOutcomes

from tests.support.builders import new_job, outcome_failed, outcome_succeeded

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


async def picture(backend: SimpleNamespace, minutes: int, slot_id: str = "slot-001", **overrides: object) -> Job:
    """A job that got its picture so many minutes after noon."""
    at = NOON + minutes * MINUTE
    job = await backend.queue.enqueue(new_job(slot_id=slot_id, created_at=at - MINUTE), max_active=1000)
    outcome = outcome_succeeded(job, finalized_at=at, **overrides)
    assert await backend.queue.mark_finalized(job.id, outcome, claim=None)
    return job


async def failure(backend: SimpleNamespace, reason: FailureReason, slot_id: str = "slot-001") -> None:
    """A job that ended for this reason at noon."""
    job = await backend.queue.enqueue(new_job(slot_id=slot_id), max_active=1000)
    outcome = outcome_failed(job, failure_reason=reason, finalized_at=NOON)
    assert await backend.queue.mark_finalized(job.id, outcome, claim=None)


async def test_the_last_jobs_are_counted_as_pictures_failures_and_fallbacks(backend: SimpleNamespace) -> None:
    await picture(backend, -1)
    await picture(backend, 0)
    await picture(backend, 1, "slot-002")
    for reason in FailureReason:
        await failure(backend, reason)
    job = await backend.queue.enqueue(new_job(), max_active=1000)
    outcome = outcome_succeeded(job, finalized_at=NOON)
    assert outcome.result is not None
    fallback = msgspec.structs.replace(
        outcome,
        state=JobState.TIMED_OUT,
        failure_reason=FailureReason.TIMEOUT,
        result=msgspec.structs.replace(outcome.result, fallback=True),
    )
    assert await backend.queue.mark_finalized(job.id, fallback, claim=None)
    await backend.queue.enqueue(new_job(), max_active=1000)
    test_run = await backend.queue.enqueue(new_job(source=JobSource.TEST), max_active=1000)
    assert await backend.queue.mark_finalized(test_run.id, outcome_failed(test_run, finalized_at=NOON), claim=None)
    assert await backend.jobs.last_jobs(since=NOON) == {
        "slot-001": RecentOutcomes(ended=5, failed=3, fallbacks=1),
        "slot-002": RecentOutcomes(ended=1),
    }
    assert await backend.jobs.last_jobs(since=NOON + 2 * MINUTE) == {}
