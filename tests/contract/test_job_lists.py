"""The lists of the JobRepository contract: jobs by filter and order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import msgspec
import pytest
from photochanger.core.domain.ids import new_id
from photochanger.core.domain.job import FailureReason, Job, JobSource, JobState
from photochanger.core.domain.pagination import JobFilter, JobOrder, JobResult, Position

from tests.support.builders import new_job, outcome_failed, outcome_succeeded
from tests.support.queue_steps import LEASE, MANY

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)
MINUTE = timedelta(minutes=1)


async def live_job(backend: SimpleNamespace, *, age: timedelta = timedelta(0), **fields: Any) -> Job:
    """A job made so long ago, with its window still open."""
    new = new_job(created_at=NOW - age, expires_at=datetime.now(UTC) + timedelta(hours=1), **fields)
    job: Job = await backend.queue.enqueue(new, max_active=MANY)
    return job


async def ended_job(backend: SimpleNamespace, *, end: str = "succeeded", at: datetime = NOW, **fields: Any) -> Job:
    """A job that ended so, at this moment."""
    job = await live_job(backend, **fields)
    ends = {
        "succeeded": lambda: outcome_succeeded(job, finalized_at=at),
        "failed": lambda: outcome_failed(job, finalized_at=at),
        "timed_out": lambda: outcome_failed(
            job, finalized_at=at, state=JobState.TIMED_OUT, failure_reason=FailureReason.TIMEOUT
        ),
        "cancelled": lambda: outcome_failed(
            job, finalized_at=at, state=JobState.CANCELLED, failure_reason=FailureReason.CANCELLED
        ),
    }
    assert await backend.queue.mark_finalized(job.id, ends[end](), claim=None)
    ended: Job = await backend.jobs.get(job.id)
    return ended


async def found(backend: SimpleNamespace, order: JobOrder = JobOrder.NEWEST, **wanted: Any) -> list[UUID]:
    page = await backend.jobs.find(JobFilter(**wanted), order=order, limit=MANY)
    assert page.next is None
    return [job.id for job in page.items]


async def everything(backend: SimpleNamespace, wanted: JobFilter, order: JobOrder, *, limit: int) -> list[UUID]:
    """The whole list, page by page."""
    ids: list[UUID] = []
    after: Position | None = None
    while True:
        page = await backend.jobs.find(wanted, order=order, limit=limit, after=after)
        ids += [job.id for job in page.items]
        if page.next is None:
            return ids
        assert len(page.items) == limit
        after = page.next


# Jobs by filter


async def test_where_there_are_no_jobs_the_list_is_empty(backend: SimpleNamespace) -> None:
    for order in JobOrder:
        assert await found(backend, order) == []


async def test_jobs_come_whole(backend: SimpleNamespace) -> None:
    job = await ended_job(backend)
    assert (await backend.jobs.find(JobFilter(), order=JobOrder.NEWEST, limit=1)).items == (job,)


async def test_each_filter_leaves_out_what_it_says(backend: SimpleNamespace) -> None:
    pending = await live_job(backend, age=5 * MINUTE, slot_id="slot-002")
    processing = (await backend.queue.acquire("worker", n=1, lease=LEASE))[0].job
    assert processing.id == pending.id
    waiting = await live_job(backend, age=4 * MINUTE, source=JobSource.TEST)
    good = await ended_job(backend, age=3 * MINUTE)
    failed = await ended_job(backend, end="failed", age=2 * MINUTE, slot_id="slot-002")
    late = await ended_job(backend, end="timed_out", age=MINUTE)
    stopped = await ended_job(backend, end="cancelled", source=JobSource.LIBRARY)
    names = {
        processing.id: "processing",
        waiting.id: "waiting",
        good.id: "good",
        failed.id: "failed",
        late.id: "late",
        stopped.id: "stopped",
    }

    async def list_of(**wanted: Any) -> list[str]:
        return [names[id] for id in await found(backend, **wanted)]

    assert await list_of() == ["stopped", "late", "failed", "good", "waiting", "processing"]
    assert await list_of(states=(JobState.PENDING,)) == ["waiting"]
    assert await list_of(states=(JobState.PENDING, JobState.PROCESSING)) == ["waiting", "processing"]
    assert await list_of(states=(JobState.SUCCEEDED,)) == ["good"]
    assert await list_of(states=(JobState.FAILED, JobState.CANCELLED)) == ["stopped", "failed"]
    assert await list_of(states=(JobState.FAILED, JobState.PENDING)) == ["failed", "waiting"]
    assert await list_of(states=(JobState.SUCCEEDED, JobState.TIMED_OUT)) == ["late", "good"]
    assert await list_of(slot_id="slot-002") == ["failed", "processing"]
    assert await list_of(slot_id="slot-002", states=(JobState.PROCESSING,)) == ["processing"]
    assert await list_of(failure_reason=FailureReason.TIMEOUT) == ["late"]
    assert await list_of(source=JobSource.TEST) == ["waiting"]
    assert await list_of(source=JobSource.INGEST, states=(JobState.TIMED_OUT,)) == ["late"]
    assert await list_of(states=(JobState.SUCCEEDED,), failure_reason=FailureReason.TIMEOUT) == []


async def test_lists_by_result_tell_a_fallback_from_a_picture(backend: SimpleNamespace) -> None:
    await live_job(backend, age=4 * MINUTE)
    good = await ended_job(backend, age=3 * MINUTE)
    failed = await ended_job(backend, end="failed", age=2 * MINUTE)
    job = await live_job(backend, age=MINUTE)
    outcome = outcome_succeeded(job, finalized_at=NOW)
    assert outcome.result is not None
    fallback = msgspec.structs.replace(
        outcome,
        state=JobState.TIMED_OUT,
        failure_reason=FailureReason.TIMEOUT,
        result=msgspec.structs.replace(outcome.result, fallback=True),
    )
    assert await backend.queue.mark_finalized(job.id, fallback, claim=None)
    assert await found(backend, result=JobResult.PICTURE) == [good.id]
    assert await found(backend, result=JobResult.FALLBACK) == [job.id]
    assert await found(backend, result=JobResult.NONE) == [failed.id]
    assert await found(backend, result=JobResult.FALLBACK, failure_reason=FailureReason.TIMEOUT) == [job.id]


async def test_a_range_begins_with_its_first_moment_and_ends_before_its_last(backend: SimpleNamespace) -> None:
    jobs = [await live_job(backend, age=age * MINUTE) for age in (3, 2, 1)]
    at = [job.created_at for job in jobs]
    assert await found(backend, created_from=at[1]) == [jobs[2].id, jobs[1].id]
    assert await found(backend, created_to=at[1]) == [jobs[0].id]
    assert await found(backend, created_from=at[0], created_to=at[2]) == [jobs[1].id, jobs[0].id]


@pytest.mark.parametrize("order", JobOrder)
async def test_a_range_may_begin_before_and_end_after_every_moment(backend: SimpleNamespace, order: JobOrder) -> None:
    job = await ended_job(backend)
    first = datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))
    last = datetime.max.replace(tzinfo=timezone(timedelta(hours=-14)))
    assert await found(backend, order, created_from=first, created_to=last) == [job.id]
    assert await found(backend, order, created_from=last) == []
    assert await found(backend, order, created_to=first) == []


async def test_lists_are_sorted_by_beginning_or_by_end_both_ways(backend: SimpleNamespace) -> None:
    live = await live_job(backend, age=9 * MINUTE)
    first = await ended_job(backend, age=3 * MINUTE, at=NOW)
    second = await ended_job(backend, age=2 * MINUTE, at=NOW - 2 * MINUTE, end="failed")
    third = await ended_job(backend, age=MINUTE, at=NOW - MINUTE)
    assert await found(backend, JobOrder.NEWEST) == [third.id, second.id, first.id, live.id]
    assert await found(backend, JobOrder.OLDEST) == [live.id, first.id, second.id, third.id]
    assert await found(backend, JobOrder.ENDED_LAST) == [first.id, third.id, second.id]
    assert await found(backend, JobOrder.ENDED_FIRST) == [second.id, third.id, first.id]
    assert await found(backend, JobOrder.ENDED_FIRST, states=(JobState.PENDING,)) == []


@pytest.mark.parametrize("order", JobOrder)
@pytest.mark.parametrize("limit", [1, 3, 8])
async def test_pages_hold_everything_once_also_where_moments_are_the_same(
    backend: SimpleNamespace, order: JobOrder, limit: int
) -> None:
    jobs = [await ended_job(backend, id=new_id(NOW), age=n // 3 * MINUTE, at=NOW - n // 4 * MINUTE) for n in range(8)]
    by_end = order in (JobOrder.ENDED_LAST, JobOrder.ENDED_FIRST)
    places = sorted((job.finalized_at if by_end else job.created_at, job.id) for job in jobs)
    wanted = [id for _, id in places]
    if order in (JobOrder.NEWEST, JobOrder.ENDED_LAST):
        wanted.reverse()
    assert await everything(backend, JobFilter(), order, limit=limit) == wanted


async def test_pages_keep_to_the_filter(backend: SimpleNamespace) -> None:
    mine = [await live_job(backend, age=n * MINUTE, slot_id="slot-003") for n in range(4)]
    for n in range(4):
        await live_job(backend, age=n * MINUTE)
    wanted = JobFilter(slot_id="slot-003", states=(JobState.PENDING,))
    assert await everything(backend, wanted, JobOrder.NEWEST, limit=2) == [job.id for job in mine]
