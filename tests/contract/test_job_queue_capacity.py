"""The JobQueue contract: what capacity is estimated from, and the jobs that gain nothing by waiting for their turn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import msgspec
import pytest
from photochanger.core.domain.job import JobSpec, LogEvent
from photochanger.core.domain.routing.provider_usage import CallOutcome, CallRecord, ProviderLimit
from photochanger.core.domain.worker import WorkerReport

from tests.support.builders import expired_job, new_job, outcome_failed, outcome_succeeded, route
from tests.support.queue_steps import LEASE, MANY, NO_LEASE, events, take_one

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
WINDOW = 48 * MINUTE
"""So long that no machine is too slow for what is left of it."""

NEEDS = {("gemini", "enhance"): 10 * MINUTE, ("openai", "enhance"): 5 * MINUTE}


def job_with_left(minutes: float, *providers: str, skipped: int = 0) -> JobSpec:
    """A job of which this much of its window is left."""
    expires_at = datetime.now(UTC) + minutes * MINUTE
    its_route = msgspec.structs.replace(route(*providers), skipped=skipped)
    return new_job(created_at=expires_at - WINDOW, expires_at=expires_at, route=its_route)


async def urgent(backend: SimpleNamespace, *, n: int = MANY) -> list[object]:
    claims = await backend.queue.acquire_urgent("worker-1", n=n, lease=LEASE, needs=NEEDS, local=["local"])
    return [claim.job.id for claim in claims]


async def test_jobs_that_no_entry_can_finish_are_urgent(backend: SimpleNamespace) -> None:
    lost = [job_with_left(8, "gemini"), job_with_left(4, "gemini", "openai")]
    for job in (
        *lost,
        job_with_left(14, "gemini"),
        job_with_left(8, "gemini", "openai"),
        job_with_left(2, "gemini", "local"),
        job_with_left(2, "unknown"),
        expired_job(route=route("gemini")),
    ):
        await backend.queue.enqueue(job, max_active=MANY)
    assert sorted(await urgent(backend)) == sorted(job.id for job in lost)
    assert await urgent(backend) == []


async def test_a_job_with_nearly_its_whole_window_left_is_not_urgent(backend: SimpleNamespace) -> None:
    await backend.queue.enqueue(job_with_left(45, "gemini"), max_active=MANY)
    needs = {("gemini", "enhance"): 100 * MINUTE}
    assert await backend.queue.acquire_urgent("worker-1", n=1, lease=LEASE, needs=needs, local=[]) == []
    late = await backend.queue.enqueue(job_with_left(35, "gemini"), max_active=MANY)
    (claim,) = await backend.queue.acquire_urgent("worker-1", n=2, lease=LEASE, needs=needs, local=[])
    assert claim.job.id == late.id


async def test_jobs_that_skip_to_this_machine_are_urgent(backend: SimpleNamespace) -> None:
    short = job_with_left(40, "local", skipped=1)
    for job in (short, job_with_left(40, "openai", skipped=1), job_with_left(40, "local"), job_with_left(40, "gemini")):
        await backend.queue.enqueue(job, max_active=MANY)
    assert await urgent(backend) == [short.id]


async def test_urgent_jobs_are_claimed_as_others_are(backend: SimpleNamespace) -> None:
    older, newer = job_with_left(3, "gemini"), job_with_left(4, "gemini")
    for job in (newer, older):
        await backend.queue.enqueue(job, max_active=MANY)
    assert await urgent(backend, n=1) == [older.id]
    (claim,) = await backend.queue.acquire_urgent("worker-2", n=1, lease=LEASE, needs=NEEDS, local=[])
    assert (claim.job.id, claim.attempt, claim.job.worker) == (newer.id, 1, "worker-2")
    assert await events(backend, newer.id) == [LogEvent.RECEIVED, LogEvent.ACQUIRED]
    assert await backend.queue.mark_finalized(newer.id, outcome_failed(claim.job), claim=claim)


async def test_a_job_with_work_of_a_provider_to_resume_is_not_urgent(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(job_with_left(5, "gemini"), max_active=MANY)
    claim = await take_one(backend)
    assert await backend.queue.note_reference(claim, "task-1", entry=0)
    assert await backend.queue.release(claim)
    assert await urgent(backend) == []
    assert (await backend.jobs.get(job.id)).provider_job_reference == "task-1"


async def test_the_load_lists_the_live_jobs_oldest_first(backend: SimpleNamespace) -> None:
    for job in (job_with_left(20, "gemini", "local"), job_with_left(40, "local"), expired_job()):
        await backend.queue.enqueue(job, max_active=MANY)
    await take_one(backend)
    load = await backend.queue.load()
    assert load.live == 2
    first, second = load.jobs
    assert first.entries == (("gemini", "enhance"), ("local", "enhance"))
    assert first.window == WINDOW.total_seconds()
    assert 0 < first.left <= (20 * MINUTE).total_seconds()
    assert first.running is not None
    assert 0 <= first.running < (20 * MINUTE).total_seconds()
    assert second.entries == (("local", "enhance"),)
    assert second.running is None


async def test_a_job_whose_worker_fell_silent_waits_in_the_load(backend: SimpleNamespace) -> None:
    await backend.queue.enqueue(new_job(), max_active=MANY)
    await take_one(backend, lease=NO_LEASE)
    (job,) = (await backend.queue.load()).jobs
    assert job.running is None


async def test_the_load_tells_how_long_workers_had_the_last_pictures(backend: SimpleNamespace) -> None:
    for end in (outcome_succeeded, outcome_failed):
        await backend.queue.enqueue(new_job(), max_active=MANY)
        claim = await take_one(backend)
        ended = claim.job.acquired_at + 7 * SECOND
        await backend.queue.mark_finalized(claim.job.id, end(claim.job, finalized_at=ended), claim=claim)
    assert (await backend.queue.load()).finished_ms == {("local", "enhance"): (7000,)}


async def test_the_load_knows_workers_and_providers(backend: SimpleNamespace) -> None:
    assert (await backend.queue.load()).workers == ()
    report = WorkerReport(name="worker-1", host="host", pid=1, concurrency=4, running=0, version="1")
    await backend.workers.heartbeat(report)
    await backend.queue.enqueue(new_job(route=route("gemini")), max_active=MANY)
    claim = await take_one(backend)
    limit = ProviderLimit(per_minute=10)
    assert (await backend.limits.acquire(claim, "gemini", entry=0, limit=limit)).granted
    record = CallRecord("enhance", CallOutcome.PICTURE, 3 * SECOND)
    await backend.limits.release(claim, "gemini", entry=0, report=record)
    load = await backend.queue.load()
    assert load.workers == (4,)
    assert load.health["gemini"].recent_ms == {"enhance": (3000,)}
    assert load.health["gemini"].calls_last_minute == 1


async def test_a_photo_may_join_by_its_key_or_where_a_client_left(backend: SimpleNamespace) -> None:
    async def may_join(key: str | None = None, *, slot_id: str = "slot-001") -> bool:
        joins: bool = await backend.queue.may_join(slot_id, idempotency_key=key)
        return joins

    job = await backend.queue.enqueue(new_job(idempotency_key="key"), max_active=MANY)
    assert await may_join("key")
    assert not await may_join("other")
    assert not await may_join()
    assert not await may_join("key", slot_id="slot-002")
    await backend.queue.abandon(job.id)
    assert await may_join()
    assert not await may_join(slot_id="slot-002")
    await backend.queue.mark_finalized(job.id, outcome_failed(job), claim=None)
    assert not await may_join()
