"""The JobQueue contract: the idempotency key of a timed-out job whose provider call goes on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from photochanger.core.domain.job import Claim, Job, JobState, Outcome, timed_out

from tests.support.builders import expired_job, new_job, outcome_failed, outcome_succeeded, photo, route
from tests.support.queue_steps import LEASE, MANY, NO_LEASE, take_one

pytestmark = pytest.mark.anyio

RESCUED = msgspec.structs.replace(route("gemini"), late_rescue=True)
OVER = -timedelta(seconds=1)


def keyed(**fields: Any) -> Any:
    return new_job(**{"idempotency_key": "key", "route": RESCUED} | fields)


def its_end(job: Job) -> Outcome:
    return timed_out(datetime.now(UTC))


async def timed_out_job(backend: SimpleNamespace, *, lease: timedelta = LEASE, **fields: Any) -> Claim:
    """A job that a worker held by this lease when it timed out."""
    await backend.queue.enqueue(keyed(**fields), max_active=MANY)
    claim = await take_one(backend, lease=lease)
    assert await backend.queue.mark_finalized(claim.job.id, its_end(claim.job), claim=None)
    return claim


async def retry(backend: SimpleNamespace, **fields: Any) -> Job:
    job: Job = await backend.queue.enqueue(keyed(**fields), max_active=MANY)
    return job


async def test_a_retry_gets_the_timed_out_job_while_its_worker_may_have_a_call(backend: SimpleNamespace) -> None:
    claim = await timed_out_job(backend)
    joined = await retry(backend)
    assert (joined.id, joined.state, joined.result) == (claim.job.id, JobState.TIMED_OUT, None)
    assert joined.late_call_until is not None
    assert joined.may_get_late_picture(datetime.now(UTC))
    assert (await retry(backend, slot_id="slot-002")).id != claim.job.id


async def test_a_late_picture_answers_the_key(backend: SimpleNamespace) -> None:
    claim = await timed_out_job(backend)
    result = outcome_succeeded(claim.job).result
    with backend.signals.finalized(claim.job.id) as signal:
        assert await backend.queue.rescue(claim.job.id, result, replaces=None)
        assert await signal.wait(timedelta(minutes=3))
    joined = await retry(backend)
    assert (joined.id, joined.result, joined.late_call_until) == (claim.job.id, result, None)
    await backend.queue.end_late_call(claim)
    assert (await retry(backend)).id == claim.job.id


async def test_a_rescue_whose_answer_was_lost_is_recognised(backend: SimpleNamespace) -> None:
    claim = await timed_out_job(backend)
    result, other = outcome_succeeded(claim.job).result, outcome_succeeded(claim.job).result
    assert await backend.queue.rescue(claim.job.id, result, replaces=None)
    assert await backend.queue.rescue(claim.job.id, result, replaces=None)
    assert not await backend.queue.rescue(claim.job.id, other, replaces=None)


async def test_a_late_call_without_a_picture_frees_the_key(backend: SimpleNamespace) -> None:
    claim = await timed_out_job(backend)
    with backend.signals.finalized(claim.job.id) as signal:
        await backend.queue.end_late_call(claim)
        assert await signal.wait(timedelta(minutes=3))
    assert (await backend.jobs.get(claim.job.id)).idempotency_key is None
    again = await retry(backend)
    assert (again.id == claim.job.id, again.state) == (False, JobState.PENDING)


async def test_a_worker_that_died_frees_the_key_with_its_lease(backend: SimpleNamespace) -> None:
    claim = await timed_out_job(backend)
    assert await backend.queue.keep_late_call(claim, lease=OVER)
    again = await retry(backend)
    assert (again.id == claim.job.id, again.state) == (False, JobState.PENDING)
    assert not await backend.queue.keep_late_call(claim, lease=LEASE)
    await backend.queue.end_late_call(claim)
    assert (await retry(backend)).id == again.id


async def test_the_lease_of_a_late_call_is_extended(backend: SimpleNamespace) -> None:
    claim = await timed_out_job(backend)
    before = (await backend.jobs.get(claim.job.id)).late_call_until
    assert await backend.queue.keep_late_call(claim, lease=LEASE * 2)
    assert (await backend.jobs.get(claim.job.id)).late_call_until > before + LEASE / 2


async def test_a_worker_that_lost_its_job_has_no_late_call(backend: SimpleNamespace) -> None:
    await backend.queue.enqueue(keyed(), max_active=MANY)
    lost = await take_one(backend, lease=NO_LEASE)
    claim = await take_one(backend, worker="worker-2")
    await backend.queue.mark_finalized(claim.job.id, its_end(claim.job), claim=None)
    assert not await backend.queue.keep_late_call(lost, lease=LEASE)
    await backend.queue.end_late_call(lost)
    assert (await retry(backend)).id == claim.job.id


@pytest.mark.parametrize("how", ["no late rescue", "no worker", "dead worker", "failed"])
async def test_any_other_end_without_a_picture_frees_the_key(backend: SimpleNamespace, how: str) -> None:
    fields = {"route": route("gemini")} if how == "no late rescue" else {}
    job = await backend.queue.enqueue(keyed(**fields), max_active=MANY)
    if how != "no worker":
        await take_one(backend, lease=NO_LEASE if how == "dead worker" else LEASE)
    end = outcome_failed(job) if how == "failed" else its_end(job)
    assert await backend.queue.mark_finalized(job.id, end, claim=None)
    assert (await backend.jobs.get(job.id)).late_call_until is None
    assert (await retry(backend)).id != job.id


async def test_a_job_that_the_sweeper_ends_has_its_late_call_too(backend: SimpleNamespace) -> None:
    claims: list[Claim] = []
    for seconds in (1, 4, 16, 64):  # until it is taken before its deadline, on a slow machine too
        deadline = datetime.now(UTC) + timedelta(seconds=seconds)
        job = await backend.queue.enqueue(keyed(expires_at=deadline), max_active=MANY)
        claims = await backend.queue.acquire("worker-1", n=1, lease=LEASE)
        if claims:
            break
        await backend.queue.mark_finalized(job.id, outcome_failed(job), claim=None)
    assert claims
    ended: list[Job] = []
    while not ended:
        ended = await backend.queue.release_expired(limit=10)
    assert [(one.id, one.late_call_until is not None) for one in ended] == [(job.id, True)]
    assert (await retry(backend)).id == job.id


async def test_a_photo_joins_the_late_call_of_its_job_whose_client_disconnected(backend: SimpleNamespace) -> None:
    same = photo(sha256="b" * 64)
    claim = await timed_out_job(backend, photo=same, idempotency_key=None)
    assert (await retry(backend, photo=same, idempotency_key=None)).id != claim.job.id
    await backend.queue.abandon(claim.job.id)
    assert (await retry(backend, photo=same, idempotency_key=None)).id == claim.job.id
    assert (await retry(backend, photo=same, idempotency_key=None)).id != claim.job.id


async def test_a_job_that_expired_unclaimed_frees_its_key(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(expired_job(idempotency_key="key", route=RESCUED), max_active=MANY)
    assert [one.id for one in await backend.queue.release_expired(limit=10)] == [job.id]
    assert (await retry(backend)).id != job.id


@pytest.mark.parametrize("lease", [NO_LEASE, None], ids=["lost lease", "released"])
async def test_a_rescue_after_the_lease_answers_the_key(backend: SimpleNamespace, lease: timedelta | None) -> None:
    """The database was away: the worker had the picture before the deadline and could not write it."""
    await backend.queue.enqueue(keyed(), max_active=MANY)
    claim = await take_one(backend, lease=LEASE if lease is None else lease)
    if lease is None:
        assert await backend.queue.release(claim)
    assert await backend.queue.mark_finalized(claim.job.id, its_end(claim.job), claim=None)
    result = outcome_succeeded(claim.job).result
    assert await backend.queue.rescue(claim.job.id, result, replaces=None)
    joined = await retry(backend)
    assert (joined.id, joined.result) == (claim.job.id, result)


async def test_a_rescue_is_refused_once_another_job_has_the_key(backend: SimpleNamespace) -> None:
    same = photo(sha256="5" * 64)
    claim = await timed_out_job(backend, lease=NO_LEASE, photo=same)
    again = await retry(backend, photo=same)
    assert again.id != claim.job.id
    assert not await backend.queue.rescue(claim.job.id, outcome_succeeded(claim.job).result, replaces=None)


async def test_a_job_that_timed_out_for_good_is_not_joined(backend: SimpleNamespace) -> None:
    claim = await timed_out_job(backend, lease=NO_LEASE)
    assert not await backend.queue.may_join(claim.job.slot_id, idempotency_key="key")
