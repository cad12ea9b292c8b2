"""The JobQueue contract: who gets in, whose photo joins which job, and how the queue counts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
from photochanger.core.domain.errors import QueueFull
from photochanger.core.domain.job import Job, JobSpec, JobState, LogEvent

from tests.support.builders import expired_job, new_job, outcome_failed, outcome_succeeded, photo, route
from tests.support.queue_steps import LEASE, MANY, NO_LEASE, events, take_one

pytestmark = pytest.mark.anyio


# Getting in


async def test_a_job_is_stored_as_it_was_handed_in(backend: SimpleNamespace) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    metadata = {"guest": "Zoë", "table": "7"}
    new = new_job(idempotency_key="key", metadata=metadata, route=route("gemini", "local"), trace=trace)
    stored = await backend.queue.enqueue(new, max_active=MANY)
    assert stored.state is JobState.PENDING
    assert stored.spec == new
    assert await backend.jobs.get(new.id) == stored


async def test_the_first_log_entry_comes_with_the_job(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=MANY)
    assert await events(backend, job.id) == [LogEvent.RECEIVED]


@pytest.mark.parametrize("key", [None, "key"])
async def test_a_repeat_with_the_same_id_finds_the_stored_job(backend: SimpleNamespace, key: str | None) -> None:
    new = new_job(idempotency_key=key)
    stored = await backend.queue.enqueue(new, max_active=1)
    assert (await backend.queue.enqueue(new, max_active=1)).id == new.id, "its reply may have been lost"
    await take_one(backend)
    assert (await backend.queue.enqueue(new, max_active=1)).id == new.id
    assert (await backend.jobs.get(new.id)).spec == stored.spec
    assert await events(backend, new.id) == [LogEvent.RECEIVED, LogEvent.ACQUIRED]
    assert (await backend.queue.depth()).active == 1


async def test_a_full_queue_refuses_keeps_nothing_and_says_when_to_come_back(backend: SimpleNamespace) -> None:
    await backend.queue.enqueue(new_job(), max_active=1)
    refused = new_job()
    with pytest.raises(QueueFull) as error:
        await backend.queue.enqueue(refused, max_active=1)
    assert error.value.retry_after >= 1
    assert (await backend.queue.depth()).active == 1
    assert await backend.log.entries(refused.id) == []


async def test_the_bound_is_exact_under_200_concurrent_enqueues(backend: SimpleNamespace) -> None:
    answers = await asyncio.gather(
        *(backend.queue.enqueue(new_job(), max_active=64) for _ in range(200)), return_exceptions=True
    )
    assert sum(isinstance(answer, Job) for answer in answers) == 64
    assert sum(isinstance(answer, QueueFull) for answer in answers) == 136
    assert (await backend.queue.depth()).active == 64


async def test_concurrent_enqueues_fill_what_room_is_left_and_no_more(backend: SimpleNamespace) -> None:
    for _ in range(5):
        await backend.queue.enqueue(new_job(), max_active=8)
    answers = await asyncio.gather(
        *(backend.queue.enqueue(new_job(), max_active=8) for _ in range(20)), return_exceptions=True
    )
    assert sum(isinstance(answer, Job) for answer in answers) == 3


async def test_a_job_past_its_deadline_gives_its_place_before_anybody_finalized_it(backend: SimpleNamespace) -> None:
    await backend.queue.enqueue(expired_job(), max_active=1)
    await backend.queue.enqueue(new_job(), max_active=1)
    with pytest.raises(QueueFull):
        await backend.queue.enqueue(new_job(), max_active=1)


async def test_a_finalized_job_gives_its_place(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=1)
    assert await backend.queue.mark_finalized(job.id, outcome_failed(job), claim=None)
    await backend.queue.enqueue(new_job(), max_active=1)


async def test_a_job_in_work_keeps_its_place(backend: SimpleNamespace) -> None:
    await backend.queue.enqueue(new_job(), max_active=1)
    await take_one(backend, lease=NO_LEASE)
    with pytest.raises(QueueFull):
        await backend.queue.enqueue(new_job(), max_active=1)


# Idempotency


async def test_the_same_key_gives_the_existing_job_even_when_full(backend: SimpleNamespace) -> None:
    first = await backend.queue.enqueue(new_job(idempotency_key="key"), max_active=1)
    second = new_job(idempotency_key="key")
    assert await backend.queue.enqueue(second, max_active=1) == first
    assert await backend.log.entries(second.id) == []


async def test_the_same_key_gives_the_job_as_it_is_now(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(new_job(idempotency_key="key"), max_active=MANY)
    outcome = outcome_succeeded(job)
    await backend.queue.mark_finalized(job.id, outcome, claim=None)
    again = await backend.queue.enqueue(new_job(idempotency_key="key"), max_active=MANY)
    assert (again.id, again.state, again.result) == (job.id, JobState.SUCCEEDED, outcome.result)


async def test_concurrent_calls_with_one_key_make_one_job(backend: SimpleNamespace) -> None:
    jobs = await asyncio.gather(
        *(backend.queue.enqueue(new_job(idempotency_key="key"), max_active=MANY) for _ in range(40))
    )
    assert len({job.id for job in jobs}) == 1
    assert (await backend.queue.depth()).active == 1


async def test_a_key_belongs_to_its_slot(backend: SimpleNamespace) -> None:
    one = await backend.queue.enqueue(new_job(idempotency_key="key"), max_active=MANY)
    other = await backend.queue.enqueue(new_job(idempotency_key="key", slot_id="slot-002"), max_active=MANY)
    assert one.id != other.id


async def test_jobs_without_a_key_are_never_joined(backend: SimpleNamespace) -> None:
    one = await backend.queue.enqueue(new_job(), max_active=MANY)
    other = await backend.queue.enqueue(new_job(), max_active=MANY)
    assert one.id != other.id


async def test_a_failed_job_gives_its_key_back(backend: SimpleNamespace) -> None:
    failed = await backend.queue.enqueue(new_job(idempotency_key="key"), max_active=MANY)
    await backend.queue.mark_finalized(failed.id, outcome_failed(failed), claim=None)
    again = await backend.queue.enqueue(new_job(idempotency_key="key"), max_active=MANY)
    assert again.id != failed.id


async def test_a_job_that_timed_out_gives_its_key_back(backend: SimpleNamespace) -> None:
    late = await backend.queue.enqueue(expired_job(idempotency_key="key"), max_active=MANY)
    await backend.queue.release_expired(limit=MANY)
    again = await backend.queue.enqueue(new_job(idempotency_key="key"), max_active=MANY)
    assert again.id != late.id


# Clients that disconnect


def resent(job: Job, **overrides: object) -> JobSpec:
    """The same photo on the same slot, sent again after a disconnect."""
    return new_job(slot_id=job.slot_id, photo=photo(sha256=job.photo.file.sha256), **overrides)


async def test_a_resent_photo_joins_the_job_whose_client_disconnected(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=MANY)
    await backend.queue.abandon(job.id)
    assert (await backend.jobs.get(job.id)).abandoned_at is not None
    joined = await backend.queue.enqueue(resent(job), max_active=1)
    assert joined.id == job.id
    assert (await backend.jobs.get(job.id)).abandoned_at is None
    assert (await events(backend, job.id))[-2:] == [LogEvent.ABANDONED, LogEvent.JOINED]
    assert (await backend.queue.depth()).active == 1
    assert (await take_one(backend)).job.id == job.id


async def test_the_same_photo_is_a_new_job_while_the_first_client_still_waits(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=MANY)
    again = resent(job)
    assert (await backend.queue.enqueue(again, max_active=MANY)).id == again.id
    await backend.queue.abandon(job.id)
    assert (await backend.queue.enqueue(resent(job), max_active=MANY)).id == job.id
    third = resent(job)
    assert (await backend.queue.enqueue(third, max_active=MANY)).id == third.id


async def test_another_slot_or_another_photo_joins_nothing(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=MANY)
    await backend.queue.abandon(job.id)
    elsewhere = new_job(slot_id="slot-002", photo=photo(sha256=job.photo.file.sha256))
    other = new_job(photo=photo(sha256="0" * 64))
    for new in (elsewhere, other):
        assert (await backend.queue.enqueue(new, max_active=MANY)).id == new.id


async def test_the_newest_abandoned_job_is_joined(backend: SimpleNamespace) -> None:
    now = datetime.now(UTC)
    same = photo(sha256="a" * 64)
    ages = {}
    for age in (1, 3, 2):
        job = new_job(created_at=now - timedelta(seconds=age), photo=photo(sha256=same.file.sha256))
        ages[(await backend.queue.enqueue(job, max_active=MANY)).id] = age
    for job_id in ages:
        await backend.queue.abandon(job_id)
    joined = await backend.queue.enqueue(new_job(photo=photo(sha256=same.file.sha256)), max_active=MANY)
    assert ages[joined.id] == 1


async def test_an_abandoned_job_is_joined_after_success_and_not_after_failure(backend: SimpleNamespace) -> None:
    for end, joins in ((outcome_succeeded, True), (outcome_failed, False)):
        job = await backend.queue.enqueue(new_job(), max_active=MANY)
        await backend.queue.abandon(job.id)
        await backend.queue.mark_finalized(job.id, end(job), claim=None)
        assert ((await backend.queue.enqueue(resent(job), max_active=MANY)).id == job.id) is joins


async def test_an_abandoned_job_past_its_deadline_is_not_joined(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(expired_job(), max_active=MANY)
    await backend.queue.abandon(job.id)
    again = resent(job)
    assert (await backend.queue.enqueue(again, max_active=MANY)).id == again.id


async def test_abandoning_a_job_that_does_not_exist_does_nothing(backend: SimpleNamespace) -> None:
    unknown = uuid4()
    await backend.queue.abandon(unknown)
    assert await backend.log.entries(unknown) == []


# Counting


async def test_depth_counts_by_state_and_first_provider(backend: SimpleNamespace) -> None:
    now = datetime.now(UTC)
    for age, providers in ((4, ("gemini", "local")), (3, ("gemini",)), (2, ("local",)), (1, ("local", "gemini"))):
        job = new_job(created_at=now - timedelta(seconds=age), route=route(*providers))
        await backend.queue.enqueue(job, max_active=MANY)
    first, _, _ = await backend.queue.acquire("worker-1", n=3, lease=LEASE)
    await backend.queue.mark_finalized(first.job.id, outcome_succeeded(first.job), claim=first)
    depth = await backend.queue.depth()
    assert (depth.pending, depth.processing, depth.active) == (1, 2, 3)
    assert depth.by_provider == {"gemini": 1, "local": 2}


async def test_an_idle_queue_has_no_depth(backend: SimpleNamespace) -> None:
    depth = await backend.queue.depth()
    assert (depth.active, depth.by_provider) == (0, {})
