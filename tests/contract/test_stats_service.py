"""The StatsService contract: each job counts once, in the hour it ended and by how it ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from builders import expired_job, new_job, outcome_failed, outcome_succeeded
from photochanger.core.jobs import FailureReason, JobState
from photochanger.core.stats import SlotCounts

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)
THREE = datetime(2026, 5, 1, 3, tzinfo=UTC)


async def end(backend: SimpleNamespace, finalized_at: datetime, *, slot_id: str = "slot-001") -> None:
    job = await backend.queue.enqueue(new_job(slot_id=slot_id), max_active=1000)
    assert await backend.queue.mark_finalized(job.id, outcome_succeeded(job, finalized_at=finalized_at), claim=None)


async def test_without_ended_jobs_there_are_no_counts(backend: SimpleNamespace) -> None:
    await backend.queue.enqueue(new_job(), max_active=10)
    assert await backend.stats.counts(start=THREE, end=datetime.now(UTC) + HOUR) == {}


async def test_every_outcome_is_counted_under_its_name(backend: SimpleNamespace) -> None:
    for reason in FailureReason:
        job = await backend.queue.enqueue(new_job(), max_active=1000)
        outcome = outcome_failed(job, state=JobState.FAILED, failure_reason=reason, finalized_at=THREE)
        await backend.queue.mark_finalized(job.id, outcome, claim=None)
    await end(backend, THREE)
    counts = await backend.stats.counts(start=THREE, end=THREE + HOUR)
    assert counts == {"slot-001": SlotCounts(success=1, timeouts=1, provider_errors=1, cancelled=1, errors=2)}
    assert counts["slot-001"].ingest_count == 6


async def test_slots_are_counted_apart(backend: SimpleNamespace) -> None:
    await end(backend, THREE)
    await end(backend, THREE, slot_id="slot-002")
    await end(backend, THREE, slot_id="slot-002")
    counts = await backend.stats.counts(start=THREE, end=THREE + HOUR)
    assert counts == {"slot-001": SlotCounts(success=1), "slot-002": SlotCounts(success=2)}


async def test_a_range_begins_with_its_first_hour_and_ends_before_its_end(backend: SimpleNamespace) -> None:
    for minutes in (-1, 0, 59, 60, 119, 120):
        await end(backend, THREE + timedelta(minutes=minutes))
    for start, end_, expected in ((0, 1, 2), (0, 2, 4), (1, 2, 2), (-1, 0, 1), (-1, 3, 6)):
        counts = await backend.stats.counts(start=THREE + start * HOUR, end=THREE + end_ * HOUR)
        assert counts == {"slot-001": SlotCounts(success=expected)}, (start, end_)


async def test_a_finalize_that_came_too_late_does_not_count(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=10)
    assert await backend.queue.mark_finalized(job.id, outcome_failed(job, finalized_at=THREE), claim=None)
    assert not await backend.queue.mark_finalized(job.id, outcome_succeeded(job, finalized_at=THREE), claim=None)
    assert await backend.stats.counts(start=THREE, end=THREE + HOUR) == {"slot-001": SlotCounts(provider_errors=1)}


async def test_jobs_that_are_ended_at_their_deadline_count_as_timeouts(backend: SimpleNamespace) -> None:
    for _ in range(3):
        await backend.queue.enqueue(expired_job(), max_active=10)
    (first, *_) = await backend.queue.release_expired(limit=10)
    hour = first.finalized_at.replace(minute=0, second=0, microsecond=0)
    assert await backend.stats.counts(start=hour, end=hour + HOUR) == {"slot-001": SlotCounts(timeouts=3)}
