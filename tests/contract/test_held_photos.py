"""The JobQueue contract: photos that requests of other processes wait for, and what becomes of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from photochanger.core.domain.job import Job, timed_out
from photochanger.core.ports.job_queue import PhotoHeld

from tests.support.builders import expired_job, new_job, outcome_failed, outcome_succeeded, photo, route
from tests.support.queue_steps import LEASE, MANY, take_one

pytestmark = pytest.mark.anyio

HERE, THERE = uuid4(), uuid4()
SAME = "a" * 64
NOBODY: frozenset[UUID] = frozenset()
SOON = timedelta(minutes=3)


async def sent(backend: SimpleNamespace, held_by: UUID | None, **fields: Any) -> Job:
    """A photo that this process holds, without a question."""
    job: Job = await backend.queue.enqueue(
        new_job(**{"held_by": held_by, "photo": photo(sha256=SAME)} | fields), max_active=MANY
    )
    return job


async def held(
    backend: SimpleNamespace, *, max_active: int = MANY, asked: Any = NOBODY, **fields: Any
) -> frozenset[UUID]:
    """The jobs that the same photo, sent to `HERE`, has to ask for."""
    new = new_job(**{"held_by": HERE, "photo": photo(sha256=SAME)} | fields)
    try:
        await backend.queue.enqueue(new, max_active=max_active, asked=asked)
    except PhotoHeld as error:
        assert await backend.log.entries(new.id) == [], "nothing is stored"
        return error.job_ids
    return NOBODY


async def test_live_jobs_of_the_same_photo_that_another_process_holds_are_asked_for(backend: SimpleNamespace) -> None:
    one, two = await sent(backend, THERE), await sent(backend, uuid4())
    assert await held(backend) == {one.id, two.id}
    assert await held(backend, max_active=2) == {one.id, two.id}, "also where the queue is full"
    assert await held(backend, asked=[one.id]) == {two.id}
    assert await held(backend, asked=[one.id, two.id]) == NOBODY


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"held_by": HERE}, {}),
        ({"held_by": None}, {}),
        ({"held_by": THERE}, {"held_by": None}),
        ({"held_by": THERE}, {"asked": None}),
        ({"held_by": THERE}, {"slot_id": "slot-002"}),
        ({"held_by": THERE, "photo": photo(sha256="b" * 64)}, {}),
    ],
    ids=["same process", "nobody waits", "nobody waits for it", "not asked", "another slot", "another photo"],
)
async def test_other_jobs_are_not(backend: SimpleNamespace, first: dict[str, Any], second: dict[str, Any]) -> None:
    await sent(backend, **first)
    assert await held(backend, **second) == NOBODY


async def test_jobs_that_have_ended_or_are_over_are_not_asked_for(backend: SimpleNamespace) -> None:
    ended = await sent(backend, THERE)
    await backend.queue.mark_finalized(ended.id, outcome_failed(ended), claim=None)
    await backend.queue.enqueue(
        msgspec.structs.replace(expired_job(), held_by=THERE, photo=photo(sha256=SAME)), max_active=MANY
    )
    assert await held(backend) == NOBODY


async def test_a_repeat_of_an_enqueue_that_was_executed_finds_its_own_job(backend: SimpleNamespace) -> None:
    new = new_job(held_by=HERE, photo=photo(sha256=SAME))
    await backend.queue.enqueue(new, max_active=MANY, asked=())
    await sent(backend, THERE)
    assert (await backend.queue.enqueue(new, max_active=MANY, asked=())).id == new.id


async def test_a_question_is_open_until_it_is_confirmed_and_both_wake(backend: SimpleNamespace) -> None:
    one, two = await sent(backend, THERE), await sent(backend, THERE)
    assert await backend.queue.unconfirmed([one.id, two.id]) == set()
    with backend.signals.finalized(one.id) as signal:
        await backend.queue.ask([one.id, two.id])
        assert await signal.wait(SOON)
        assert await backend.queue.unconfirmed([one.id, two.id]) == {one.id, two.id}
        assert (await backend.jobs.get(one.id)).asked_at is not None
        await backend.queue.confirm(one.id)
        assert await signal.wait(SOON)
    assert await backend.queue.unconfirmed([one.id, two.id]) == {two.id}
    assert (await backend.jobs.get(one.id)).asked_at is None


async def test_a_photo_that_joins_is_held_by_its_own_process(backend: SimpleNamespace) -> None:
    first = await sent(backend, THERE)
    await backend.queue.ask([first.id])
    await backend.queue.abandon(first.id)
    joined = await backend.queue.enqueue(new_job(held_by=HERE, photo=photo(sha256=SAME)), max_active=MANY, asked=())
    assert (joined.id, joined.spec.held_by, joined.asked_at) == (first.id, HERE, None)
    assert await held(backend) == NOBODY


RESCUED = msgspec.structs.replace(route("gemini"), late_rescue=True)


async def test_a_late_picture_does_not_come_beside_that_of_a_later_job(backend: SimpleNamespace) -> None:
    """The worker was away for longer than its lease, so that the key went to another job."""
    late = new_job(idempotency_key="key", route=RESCUED)
    await backend.queue.enqueue(late, max_active=MANY)
    claim = await take_one(backend, lease=LEASE)
    assert await backend.queue.mark_finalized(late.id, timed_out(datetime.now(UTC)), claim=None)
    await backend.queue.keep_late_call(claim, lease=timedelta(0))
    fields: dict[str, Any] = {"idempotency_key": "key", "route": RESCUED, "photo": late.photo}
    retry = await backend.queue.enqueue(new_job(**fields), max_active=MANY)
    assert retry.id != late.id
    result = outcome_succeeded(claim.job).result
    assert not await backend.queue.rescue(late.id, result, replaces=None), "the later job is live"
    assert await backend.queue.mark_finalized(retry.id, outcome_succeeded(retry), claim=None)
    assert not await backend.queue.rescue(late.id, result, replaces=None), "the later job has a picture"
    assert (await backend.jobs.get(late.id)).result is None


async def test_a_late_picture_does_not_come_beside_that_of_a_job_from_before_the_end_was_recorded(
    backend: SimpleNamespace,
) -> None:
    """The database was away at the deadline, and the photo came again meanwhile."""
    now = datetime.now(UTC)
    late = new_job(
        idempotency_key="key",
        route=RESCUED,
        created_at=now - timedelta(seconds=30),
        expires_at=now - timedelta(seconds=20),
    )
    await backend.queue.enqueue(late, max_active=MANY)
    assert await backend.queue.mark_finalized(late.id, timed_out(now), claim=None)
    again = new_job(idempotency_key="key", photo=late.photo, created_at=now - timedelta(seconds=10))
    assert (await backend.queue.enqueue(again, max_active=MANY)).id == again.id
    assert not await backend.queue.rescue(late.id, outcome_succeeded(late).result, replaces=None)


async def test_a_late_picture_is_kept_where_the_later_job_has_none(backend: SimpleNamespace) -> None:
    late = new_job(idempotency_key="key", route=RESCUED)
    await backend.queue.enqueue(late, max_active=MANY)
    claim = await take_one(backend, lease=LEASE)
    assert await backend.queue.mark_finalized(late.id, timed_out(datetime.now(UTC)), claim=None)
    await backend.queue.end_late_call(claim)
    retry = await backend.queue.enqueue(new_job(idempotency_key="key", photo=late.photo), max_active=MANY)
    assert await backend.queue.mark_finalized(retry.id, outcome_failed(retry), claim=None)
    assert await backend.queue.rescue(late.id, outcome_succeeded(claim.job).result, replaces=None)
