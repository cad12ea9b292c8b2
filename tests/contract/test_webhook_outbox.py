"""The WebhookOutbox contract: what is put there with the end of a job, who takes it, and what becomes of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from photochanger.core.domain.errors import WebhookNotFound
from photochanger.core.domain.job import Job, JobSource
from photochanger.core.domain.pagination import Position
from photochanger.core.domain.slots.slot import shipped_slots
from photochanger.core.domain.webhook import Delivery, DeliveryState

from tests.support.builders import expired_job, new_job, outcome_failed, outcome_succeeded, webhook
from tests.support.queue_steps import LEASE, MANY, NO_LEASE

pytestmark = pytest.mark.anyio

A_DAY = timedelta(days=1)
MAX_CONCURRENCY = timedelta(0)
LONG_AGO = datetime.now(UTC) - A_DAY
LATER = datetime.now(UTC) + A_DAY


@pytest.fixture(autouse=True)
async def _slots_with_one_webhook(backend: SimpleNamespace) -> None:
    await backend.slots.add_missing(shipped_slots())
    await backend.webhooks.save(webhook())


async def ended_job(backend: SimpleNamespace, **overrides: Any) -> Job:
    job: Job = await backend.queue.enqueue(new_job(**overrides), max_active=MANY)
    assert await backend.queue.mark_finalized(job.id, outcome_succeeded(job), claim=None)
    return job


async def all_of(backend: SimpleNamespace) -> list[Delivery]:
    return [*(await backend.outbox.find(limit=MANY)).items]


async def taken(backend: SimpleNamespace, *, lease: timedelta = LEASE) -> Delivery:
    (delivery,) = await backend.outbox.acquire(n=1, lease=lease)
    return delivery


async def only(backend: SimpleNamespace) -> Delivery:
    (delivery,) = await all_of(backend)
    return delivery


# What is put there


async def test_the_end_of_a_job_puts_one_delivery_there_that_is_due(backend: SimpleNamespace) -> None:
    job = await ended_job(backend)
    delivery = await only(backend)
    assert (delivery.slot_id, delivery.job_id, delivery.state) == ("slot-001", job.id, DeliveryState.PENDING)
    assert (delivery.attempts, delivery.last_status, delivery.last_error, delivery.ended_at) == (0, None, None, None)
    assert delivery.created_at == delivery.next_at
    assert abs(delivery.created_at - datetime.now(UTC)) < timedelta(minutes=1)


async def test_a_job_that_is_finalized_twice_gives_one_delivery(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=MANY)
    outcomes = [outcome_succeeded(job), outcome_failed(job), outcome_succeeded(job)]
    ends = await asyncio.gather(*(backend.queue.mark_finalized(job.id, end, claim=None) for end in outcomes))
    assert sum(ends) == 1
    assert not await backend.queue.mark_finalized(job.id, outcome_failed(job), claim=None)
    assert (await only(backend)).job_id == job.id


async def test_a_finalization_that_is_said_again_gives_no_second_delivery(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=MANY)
    outcome = outcome_succeeded(job)
    for _ in range(2):
        await backend.queue.mark_finalized(job.id, outcome, claim=None)
    assert (await only(backend)).job_id == job.id


async def test_failed_and_timed_out_jobs_are_delivered_too(backend: SimpleNamespace) -> None:
    failed = await backend.queue.enqueue(new_job(), max_active=MANY)
    await backend.queue.mark_finalized(failed.id, outcome_failed(failed), claim=None)
    late = await backend.queue.enqueue(expired_job(), max_active=MANY)
    await backend.queue.release_expired(limit=10)
    assert {one.job_id for one in await all_of(backend)} == {failed.id, late.id}


async def test_test_runs_and_slots_without_a_webhook_are_not_delivered(backend: SimpleNamespace) -> None:
    await ended_job(backend, source=JobSource.TEST)
    await ended_job(backend, slot_id="slot-002")
    await backend.queue.enqueue(expired_job(source=JobSource.TEST), max_active=MANY)
    await backend.queue.enqueue(expired_job(slot_id="slot-002"), max_active=MANY)
    await backend.queue.release_expired(limit=10)
    assert await all_of(backend) == []
    library = await ended_job(backend, source=JobSource.LIBRARY)
    assert (await only(backend)).job_id == library.id


async def test_many_that_end_at_once_have_a_delivery_each(backend: SimpleNamespace) -> None:
    jobs = await asyncio.gather(*(ended_job(backend, slot_id=f"slot-00{1 + n % 2}") for n in range(40)))
    assert sorted(one.job_id for one in await all_of(backend)) == sorted(
        job.id for job in jobs if job.slot_id == "slot-001"
    )


async def test_jobs_end_while_the_webhook_comes_and_goes(backend: SimpleNamespace) -> None:
    async def come_and_go() -> None:
        for _ in range(20):
            await backend.webhooks.remove("slot-001")
            await backend.webhooks.save(webhook())

    _, *jobs = await asyncio.gather(come_and_go(), *(ended_job(backend) for _ in range(60)))
    assert {one.job_id for one in await all_of(backend)} <= {job.id for job in jobs}


# Taking


async def test_acquiring_counts_the_attempt_and_excludes_others(backend: SimpleNamespace) -> None:
    await ended_job(backend)
    delivery = await taken(backend)
    assert (delivery.attempts, delivery.state) == (1, DeliveryState.PENDING)
    assert delivery.next_at > datetime.now(UTC)
    assert await backend.outbox.acquire(n=10, lease=LEASE) == []
    assert await all_of(backend) == [delivery]


async def test_the_oldest_are_taken_first_and_no_more_than_asked_for(backend: SimpleNamespace) -> None:
    jobs = [await ended_job(backend) for _ in range(5)]
    first = await backend.outbox.acquire(n=3, lease=LEASE)
    rest = await backend.outbox.acquire(n=3, lease=LEASE)
    assert [one.job_id for one in first + rest] == [job.id for job in jobs]


async def test_slots_that_are_passed_over_keep_what_is_due(backend: SimpleNamespace) -> None:
    await backend.webhooks.save(webhook("slot-002"))
    passed, job = await ended_job(backend), await ended_job(backend, slot_id="slot-002")
    assert [one.job_id for one in await backend.outbox.acquire(n=5, lease=LEASE, exclude_slots=["slot-001"])] == [
        job.id
    ]
    assert await backend.outbox.acquire(n=5, lease=LEASE, exclude_slots=["slot-001", "slot-002"]) == []
    assert (await taken(backend)).job_id == passed.id


async def test_callers_at_the_same_time_never_get_the_same_one(backend: SimpleNamespace) -> None:
    jobs = [await ended_job(backend) for _ in range(30)]
    batches = await asyncio.gather(*(backend.outbox.acquire(n=4, lease=LEASE) for _ in range(10)))
    got = [one.job_id for batch in batches for one in batch]
    got += [one.job_id for one in await backend.outbox.acquire(n=30, lease=LEASE)]
    assert sorted(got) == sorted(job.id for job in jobs)


async def test_a_delivery_whose_lease_ran_out_is_due_again(backend: SimpleNamespace) -> None:
    await ended_job(backend)
    first = await taken(backend, lease=NO_LEASE)
    second = await taken(backend)
    assert (second.id, second.attempts) == (first.id, 2)


# What becomes of it


async def test_what_arrived_has_ended_and_is_not_taken_again(backend: SimpleNamespace) -> None:
    await ended_job(backend)
    await backend.outbox.failed(await taken(backend), error="No answer.", status=None, again_in=MAX_CONCURRENCY)
    await backend.outbox.delivered(await taken(backend, lease=NO_LEASE), status=204)
    delivery = await only(backend)
    assert (delivery.state, delivery.attempts) == (DeliveryState.DELIVERED, 2)
    assert (delivery.last_status, delivery.last_error) == (204, None)
    assert delivery.ended_at is not None
    assert await backend.outbox.acquire(n=10, lease=LEASE) == []


async def test_what_failed_is_due_again_at_its_moment(backend: SimpleNamespace) -> None:
    await ended_job(backend)
    await backend.outbox.failed(await taken(backend), error="It answered 500.", status=500, again_in=A_DAY)
    delivery = await only(backend)
    assert (delivery.state, delivery.last_status, delivery.last_error) == (
        DeliveryState.PENDING,
        500,
        "It answered 500.",
    )
    assert delivery.ended_at is None
    assert A_DAY <= delivery.next_at - delivery.created_at < A_DAY + timedelta(hours=1), "counted by the queue's clock"
    assert await backend.outbox.acquire(n=10, lease=LEASE) == []
    await backend.outbox.failed(delivery, error="No answer.", status=None, again_in=MAX_CONCURRENCY)
    retry_now = await taken(backend)
    assert (retry_now.attempts, retry_now.last_status, retry_now.last_error) == (2, None, "No answer.")


async def test_what_is_given_up_is_dead(backend: SimpleNamespace) -> None:
    await ended_job(backend)
    await backend.outbox.failed(await taken(backend, lease=NO_LEASE), error="Gone.", status=410, again_in=None)
    delivery = await only(backend)
    assert (delivery.state, delivery.last_status, delivery.last_error) == (DeliveryState.DEAD, 410, "Gone.")
    assert delivery.ended_at is not None
    assert await backend.outbox.acquire(n=10, lease=LEASE) == []


async def test_a_caller_whose_lease_ran_out_cannot_spoil_the_next_attempt(backend: SimpleNamespace) -> None:
    await ended_job(backend)
    slow = await taken(backend, lease=NO_LEASE)
    newer = await taken(backend)
    await backend.outbox.failed(slow, error="Too late.", status=None, again_in=None)
    assert await all_of(backend) == [newer]
    await backend.outbox.delivered(slow, status=200)
    assert (await only(backend)).state is DeliveryState.DELIVERED
    await backend.outbox.failed(newer, error="No answer.", status=None, again_in=None)
    assert ((await only(backend)).state, (await only(backend)).last_error) == (DeliveryState.DELIVERED, None)


async def test_notes_about_what_was_removed_change_nothing(backend: SimpleNamespace) -> None:
    await ended_job(backend)
    delivery = await taken(backend)
    await backend.webhooks.remove("slot-001")
    await backend.outbox.delivered(delivery, status=200)
    await backend.outbox.failed(delivery, error="No answer.", status=None, again_in=A_DAY)
    assert await all_of(backend) == []


# Again


@pytest.mark.parametrize("end", ["delivered", "dead"])
async def test_an_ended_delivery_can_be_retried(backend: SimpleNamespace, end: str) -> None:
    await ended_job(backend)
    if end == "delivered":
        await backend.outbox.delivered(await taken(backend), status=200)
    else:
        await backend.outbox.failed(await taken(backend), error="Gone.", status=410, again_in=None)
    retry_now = await backend.outbox.retry_now((await only(backend)).id)
    assert (retry_now.state, retry_now.attempts, retry_now.ended_at) == (DeliveryState.PENDING, 0, None)
    assert await all_of(backend) == [retry_now]
    assert (await taken(backend)).attempts == 1


async def test_a_pending_delivery_becomes_due_and_keeps_its_count(backend: SimpleNamespace) -> None:
    await ended_job(backend)
    first = await taken(backend)
    await backend.outbox.failed(first, error="No answer.", status=None, again_in=A_DAY)
    await backend.outbox.retry_now(first.id)
    assert (await taken(backend)).attempts == 2


async def test_a_delivery_that_there_is_not_is_not_tried(backend: SimpleNamespace) -> None:
    with pytest.raises(WebhookNotFound):
        await backend.outbox.retry_now(uuid4())


# Lists


async def test_pages_go_from_the_newest_to_the_oldest_and_miss_nothing(backend: SimpleNamespace) -> None:
    jobs = [await ended_job(backend) for _ in range(5)]
    seen: list[Delivery] = []
    after: Position | None = None
    for expected in (2, 2, 1):
        page = await backend.outbox.find(limit=2, after=after)
        assert len(page.items) == expected
        seen += page.items
        after = page.next
        await ended_job(backend)  # what comes meanwhile moves nothing
    assert after is None
    assert [one.job_id for one in seen] == [job.id for job in reversed(jobs)]


async def test_deliveries_of_one_moment_have_an_order_too(backend: SimpleNamespace) -> None:
    for _ in range(6):
        await backend.queue.enqueue(expired_job(), max_active=MANY)
    await backend.queue.release_expired(limit=10)
    one = await backend.outbox.find(limit=3)
    two = await backend.outbox.find(limit=3, after=one.next)
    assert two.next is None
    places = [(delivery.created_at, delivery.id) for delivery in one.items + two.items]
    assert len({*places}) == 6
    assert places == sorted(places, reverse=True)


async def test_lists_are_narrowed_by_state_and_slot(backend: SimpleNamespace) -> None:
    await backend.webhooks.save(webhook("slot-002"))
    jobs = [await ended_job(backend, slot_id=slot_id) for slot_id in ("slot-001", "slot-001", "slot-002", "slot-002")]
    delivered, dead, *_ = await backend.outbox.acquire(n=3, lease=LEASE)
    await backend.outbox.delivered(delivered, status=200)
    await backend.outbox.failed(dead, error="Gone.", status=410, again_in=None)

    async def found(**wanted: Any) -> list[int]:
        page = await backend.outbox.find(limit=10, **wanted)
        return [[job.id for job in jobs].index(one.job_id) for one in page.items]

    assert await found() == [3, 2, 1, 0]
    assert await found(states=[DeliveryState.DEAD]) == [1]
    assert await found(states=[DeliveryState.PENDING, DeliveryState.DELIVERED]) == [3, 2, 0]
    assert await found(slot_id="slot-002") == [3, 2]
    assert await found(slot_id="slot-001", states=[DeliveryState.DELIVERED]) == [0]
    assert await found(states=[]) == []


# Pruning


async def test_what_ended_long_ago_is_forgotten_by_its_kind_and_in_batches(backend: SimpleNamespace) -> None:
    for _ in range(5):
        await ended_job(backend)
    delivered_1, delivered_2, dead, *_ = await backend.outbox.acquire(n=4, lease=LEASE)
    for one in (delivered_1, delivered_2):
        await backend.outbox.delivered(one, status=200)
    await backend.outbox.failed(dead, error="Gone.", status=410, again_in=None)
    prune = backend.outbox.prune
    assert await prune(delivered_before=LONG_AGO, dead_before=LONG_AGO, limit=10) == 0
    assert await prune(delivered_before=LONG_AGO, dead_before=LATER, limit=10) == 1
    assert [await prune(delivered_before=LATER, dead_before=LONG_AGO, limit=1) for _ in range(3)] == [1, 1, 0]
    assert [one.state for one in await all_of(backend)] == [DeliveryState.PENDING] * 2
    assert await prune(delivered_before=LATER, dead_before=LATER, limit=10) == 0
