"""The JobQueue contract: who works on what, who holds it, and who ends it.

Time is the backend's own. Where something must have run out, its deadline lies in the past or its lease is zero.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID, uuid4

import msgspec
import pytest
from photochanger.core.domain.accounts import Actor
from photochanger.core.domain.audit import AuditAction, AuditEntry, audit_entry
from photochanger.core.domain.job import Claim, FailureReason, Job, JobState, LogEvent, Outcome
from photochanger.core.domain.slots.slot import shipped_slots

from tests.support.builders import expired_job, new_job, outcome_failed, outcome_succeeded, route
from tests.support.queue_steps import LEASE, MANY, NO_LEASE, events, take_one

pytestmark = pytest.mark.anyio


async def lapsed_and_taken_again(backend: SimpleNamespace) -> tuple[Claim, Claim]:
    """The old and the new claim on a job whose first worker fell silent."""
    await backend.queue.enqueue(new_job(), max_active=MANY)
    return await take_one(backend, lease=NO_LEASE), await take_one(backend, worker="worker-2")


# Being taken


async def test_the_oldest_is_taken_first_in_whatever_order_they_came(backend: SimpleNamespace) -> None:
    now = datetime.now(UTC)
    for age in (2, 5, 1, 4, 3):
        job = new_job(id=UUID(int=age, version=4), created_at=now - timedelta(seconds=age))
        await backend.queue.enqueue(job, max_active=MANY)
    claims = await backend.queue.acquire("worker-1", n=3, lease=LEASE)
    claims += await backend.queue.acquire("worker-1", n=3, lease=LEASE)
    assert [claim.job.created_at for claim in claims] == [now - timedelta(seconds=age) for age in (5, 4, 3, 2, 1)]


async def test_a_claim_carries_worker_attempt_and_lease(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=MANY)
    claim = await take_one(backend)
    assert (claim.job.id, claim.attempt, claim.job.attempt) == (job.id, 1, 1)
    assert (claim.job.state, claim.job.worker) == (JobState.PROCESSING, "worker-1")
    assert claim.job.acquired_at is not None
    assert claim.job.lease_until == claim.job.acquired_at + LEASE
    assert await backend.jobs.get(job.id) == claim.job
    taken = (await backend.log.entries(job.id))[-1]
    assert taken.event is LogEvent.ACQUIRED
    assert (taken.detail["worker"], taken.detail["attempt"]) == ("worker-1", 1)


async def test_an_empty_queue_gives_nothing(backend: SimpleNamespace) -> None:
    assert await backend.queue.acquire("worker-1", n=5, lease=LEASE) == []


async def test_a_job_past_its_deadline_is_not_taken(backend: SimpleNamespace) -> None:
    await backend.queue.enqueue(expired_job(), max_active=MANY)
    assert await backend.queue.acquire("worker-1", n=5, lease=LEASE) == []


async def test_a_finalized_job_is_not_taken(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=MANY)
    await backend.queue.mark_finalized(job.id, outcome_failed(job), claim=None)
    assert await backend.queue.acquire("worker-1", n=5, lease=LEASE) == []


async def test_a_job_in_work_is_not_taken(backend: SimpleNamespace) -> None:
    await backend.queue.enqueue(new_job(), max_active=MANY)
    await take_one(backend)
    assert await backend.queue.acquire("worker-2", n=5, lease=LEASE) == []


async def test_concurrent_acquires_never_share_a_job(backend: SimpleNamespace) -> None:
    ids = {(await backend.queue.enqueue(new_job(), max_active=MANY)).id for _ in range(30)}
    batches = await asyncio.gather(
        *(backend.queue.acquire(f"worker-{number}", n=4, lease=LEASE) for number in range(20))
    )
    taken = [claim.job.id for batch in batches for claim in batch]
    assert len(taken) == len(set(taken))
    taken += [claim.job.id for claim in await backend.queue.acquire("the rest", n=MANY, lease=LEASE)]
    assert sorted(taken) == sorted(ids)


async def test_concurrent_acquires_never_share_an_attempt_of_a_job_whose_lease_runs_out_at_once(
    backend: SimpleNamespace,
) -> None:
    for _ in range(5):
        await backend.queue.enqueue(new_job(), max_active=MANY)
    batches = await asyncio.gather(
        *(backend.queue.acquire(f"worker-{number}", n=5, lease=NO_LEASE) for number in range(20))
    )
    attempts = [(claim.job.id, claim.attempt) for batch in batches for claim in batch]
    assert attempts
    assert len(attempts) == len(set(attempts))


@pytest.mark.parametrize("limits", [None, {"local": 4}])
async def test_a_worker_that_stood_still_does_not_claim_what_it_runs_again(
    backend: SimpleNamespace, limits: dict[str, int] | None
) -> None:
    await backend.queue.enqueue(new_job(), max_active=MANY)
    claim = await take_one(backend, lease=NO_LEASE)
    running = {claim.job.id}
    assert await backend.queue.acquire("worker-1", n=5, lease=LEASE, limits=limits, running=running) == []
    other = await backend.queue.enqueue(new_job(), max_active=MANY)
    (next_one,) = await backend.queue.acquire("worker-1", n=5, lease=LEASE, limits=limits, running=running)
    assert next_one.job.id == other.id
    assert await backend.queue.renew([claim], lease=LEASE) == {claim.job.id}


async def test_a_provider_at_its_limit_is_skipped_and_the_others_are_not(backend: SimpleNamespace) -> None:
    now = datetime.now(UTC)
    for age, provider in ((5, "gemini"), (4, "gemini"), (3, "gemini"), (2, "local"), (1, "local")):
        job = new_job(created_at=now - timedelta(seconds=age), route=route(provider, "openai"))
        await backend.queue.enqueue(job, max_active=MANY)
    first = await backend.queue.acquire("worker-1", n=4, lease=LEASE, limits={"gemini": 2, "openai": 0})
    assert [claim.job.spec.first_provider for claim in first] == ["gemini", "gemini", "local", "local"]
    assert await backend.queue.acquire("worker-2", n=4, lease=LEASE, limits={"gemini": 2}) == []
    assert len(await backend.queue.acquire("worker-2", n=4, lease=LEASE, limits={"gemini": 3})) == 1


async def test_a_limit_of_nothing_takes_nothing(backend: SimpleNamespace) -> None:
    await backend.queue.enqueue(new_job(), max_active=MANY)
    assert await backend.queue.acquire("worker-1", n=4, lease=LEASE, limits={"local": 0}) == []


async def test_a_job_that_ended_frees_its_place_at_the_provider(backend: SimpleNamespace) -> None:
    for _ in range(2):
        await backend.queue.enqueue(new_job(), max_active=MANY)
    (first,) = await backend.queue.acquire("worker-1", n=5, lease=LEASE, limits={"local": 1})
    await backend.queue.mark_finalized(first.job.id, outcome_succeeded(first.job), claim=first)
    (second,) = await backend.queue.acquire("worker-1", n=5, lease=LEASE, limits={"local": 1})
    assert second.job.id != first.job.id


async def test_a_job_whose_worker_died_does_not_stand_in_its_own_way_at_the_limit(backend: SimpleNamespace) -> None:
    await backend.queue.enqueue(new_job(), max_active=MANY)
    await backend.queue.acquire("worker-1", n=1, lease=NO_LEASE, limits={"local": 1})
    (again,) = await backend.queue.acquire("worker-2", n=1, lease=LEASE, limits={"local": 1})
    assert again.attempt == 2


async def test_the_route_of_a_job_outlives_an_edit_of_its_slot(backend: SimpleNamespace) -> None:
    await backend.slots.add_missing(shipped_slots())
    slot = await backend.slots.get("slot-001")
    job = await backend.queue.enqueue(new_job(route=slot.route), max_active=MANY)
    edited = await backend.slots.save(
        msgspec.structs.replace(slot, route=route("gemini")), expected_version=slot.version
    )
    assert edited is not None
    assert (await take_one(backend)).job.route == slot.route
    assert (await backend.jobs.get(job.id)).route == slot.route


# Holding on and letting go


async def test_a_lease_that_ran_out_lets_another_take_the_next_attempt(backend: SimpleNamespace) -> None:
    old, new = await lapsed_and_taken_again(backend)
    assert old.job.id == new.job.id
    assert (old.attempt, new.attempt, new.job.worker) == (1, 2, "worker-2")
    assert new.job.acquired_at == old.job.acquired_at
    assert await events(backend, new.job.id) == [LogEvent.RECEIVED, LogEvent.ACQUIRED, LogEvent.ACQUIRED]


async def test_the_old_claim_can_do_nothing_any_more(backend: SimpleNamespace) -> None:
    old, new = await lapsed_and_taken_again(backend)
    assert await backend.queue.renew([old], lease=LEASE) == set()
    assert not await backend.queue.note_reference(old, "stale", entry=1)
    assert not await backend.queue.release(old)
    assert not await backend.queue.mark_finalized(old.job.id, outcome_succeeded(old.job), claim=old)
    assert await backend.jobs.get(old.job.id) == new.job


async def test_the_new_claim_can_do_everything(backend: SimpleNamespace) -> None:
    _, new = await lapsed_and_taken_again(backend)
    assert await backend.queue.renew([new], lease=LEASE) == {new.job.id}
    assert await backend.queue.note_reference(new, "queue-17", entry=1)
    assert await backend.queue.mark_finalized(new.job.id, outcome_succeeded(new.job), claim=new)


async def test_a_renewed_lease_keeps_others_away(backend: SimpleNamespace) -> None:
    await backend.queue.enqueue(new_job(), max_active=MANY)
    claim = await take_one(backend, lease=NO_LEASE)
    assert await backend.queue.renew([claim], lease=LEASE) == {claim.job.id}
    assert await backend.queue.acquire("worker-2", n=1, lease=LEASE) == []


async def test_renewing_many_answers_for_each(backend: SimpleNamespace) -> None:
    for _ in range(3):
        await backend.queue.enqueue(new_job(), max_active=MANY)
    kept, released, ended = await backend.queue.acquire("worker-1", n=3, lease=LEASE)
    await backend.queue.release(released)
    await backend.queue.mark_finalized(ended.job.id, outcome_succeeded(ended.job), claim=ended)
    assert await backend.queue.renew([kept, released, ended], lease=LEASE) == {kept.job.id}
    assert await backend.queue.renew([], lease=LEASE) == set()


async def test_a_noted_reference_is_there_for_the_next_attempt(backend: SimpleNamespace) -> None:
    await backend.queue.enqueue(new_job(), max_active=MANY)
    claim = await take_one(backend)
    assert await backend.queue.note_reference(claim, "queue-17", entry=1)
    await backend.queue.release(claim)
    assert (await take_one(backend, worker="worker-2")).job.provider_job_reference == "queue-17"
    assert LogEvent.REFERENCE in await events(backend, claim.job.id)


async def test_a_released_job_can_be_taken_at_once(backend: SimpleNamespace) -> None:
    await backend.queue.enqueue(new_job(), max_active=MANY)
    claim = await take_one(backend)
    assert await backend.queue.release(claim)
    assert (await backend.jobs.get(claim.job.id)).state is JobState.PENDING
    assert not await backend.queue.release(claim)
    assert (await take_one(backend, worker="worker-2")).attempt == 2
    assert await events(backend, claim.job.id) == [
        LogEvent.RECEIVED,
        LogEvent.ACQUIRED,
        LogEvent.RELEASED,
        LogEvent.ACQUIRED,
    ]


# Ending


async def test_an_ended_job_carries_its_outcome_and_log(backend: SimpleNamespace) -> None:
    await backend.queue.enqueue(new_job(), max_active=MANY)
    claim = await take_one(backend)
    outcome = outcome_succeeded(claim.job)
    assert await backend.queue.mark_finalized(claim.job.id, outcome, claim=claim)
    job = await backend.jobs.get(claim.job.id)
    assert (job.state, job.outcome) == (outcome.state, outcome)
    assert (job.worker, job.lease_until) == (None, None)
    assert await events(backend, job.id) == [LogEvent.RECEIVED, LogEvent.ACQUIRED, LogEvent.FINALIZED]


async def test_a_failure_is_kept_with_its_reason(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=MANY)
    outcome = outcome_failed(job, state=JobState.CANCELLED, failure_reason=FailureReason.CANCELLED, error_code="x")
    assert await backend.queue.mark_finalized(job.id, outcome, claim=None)
    ended = await backend.jobs.get(job.id)
    assert (ended.state, ended.failure_reason) == (JobState.CANCELLED, FailureReason.CANCELLED)
    assert (ended.error_code, ended.error_detail, ended.result) == ("x", outcome.error_detail, None)


async def test_of_many_concurrent_finalizers_one_wins_and_its_outcome_stays(backend: SimpleNamespace) -> None:
    await backend.queue.enqueue(new_job(), max_active=MANY)
    claim = await take_one(backend)
    outcomes = [outcome_succeeded(claim.job) for _ in range(8)]
    won = await asyncio.gather(
        *(
            backend.queue.mark_finalized(claim.job.id, outcome, claim=claim if number % 2 else None)
            for number, outcome in enumerate(outcomes)
        )
    )
    assert sum(won) == 1
    assert (await backend.jobs.get(claim.job.id)).result == outcomes[won.index(True)].result
    assert (await events(backend, claim.job.id)).count(LogEvent.FINALIZED) == 1


async def test_without_a_claim_a_job_is_ended_whoever_holds_it(backend: SimpleNamespace) -> None:
    await backend.queue.enqueue(new_job(), max_active=MANY)
    claim = await take_one(backend)
    assert await backend.queue.mark_finalized(claim.job.id, outcome_failed(claim.job), claim=None)
    assert await backend.queue.renew([claim], lease=LEASE) == set()
    assert not await backend.queue.note_reference(claim, "late", entry=1)
    assert not await backend.queue.release(claim)


async def test_a_late_answer_changes_nothing(backend: SimpleNamespace) -> None:
    await backend.queue.enqueue(new_job(), max_active=MANY)
    claim = await take_one(backend)
    await backend.queue.mark_finalized(claim.job.id, outcome_failed(claim.job), claim=None)
    ended, log = await backend.jobs.get(claim.job.id), await backend.log.entries(claim.job.id)
    late = outcome_succeeded(claim.job)
    assert not await backend.queue.mark_finalized(claim.job.id, late, claim=claim)
    assert await backend.jobs.get(claim.job.id) == ended
    assert await backend.log.entries(claim.job.id) == log


async def test_the_same_end_may_be_tried_again_after_its_answer_was_lost(backend: SimpleNamespace) -> None:
    await backend.queue.enqueue(new_job(), max_active=MANY)
    claim = await take_one(backend)
    outcome = outcome_succeeded(claim.job)
    assert await backend.queue.mark_finalized(claim.job.id, outcome, claim=claim)
    ended, log = await backend.jobs.get(claim.job.id), await backend.log.entries(claim.job.id)
    assert await backend.queue.mark_finalized(claim.job.id, outcome, claim=claim)
    assert not await backend.queue.mark_finalized(claim.job.id, outcome_failed(claim.job), claim=None)
    assert await backend.jobs.get(claim.job.id) == ended
    assert await backend.log.entries(claim.job.id) == log


async def test_an_end_without_a_picture_may_be_tried_again_as_well(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=MANY)
    outcome, entry = cancelled(job)
    for _ in range(2):
        assert await backend.queue.mark_finalized(job.id, outcome, claim=None, audit=entry)
    assert len((await backend.audit.find(limit=10)).items) == 1
    assert not await backend.queue.mark_finalized(job.id, outcome_failed(job), claim=None)


def cancelled(job: Job) -> tuple[Outcome, AuditEntry]:
    """The outcome of a cancelled job, and its audit entry."""
    outcome = outcome_failed(job, state=JobState.CANCELLED, failure_reason=FailureReason.CANCELLED)
    entry = audit_entry(
        AuditAction.JOB_CANCELLED, Actor("ada", "10.0.0.7"), now=outcome.finalized_at, target=str(job.id), slot="1"
    )
    return outcome, entry


async def test_an_end_is_written_with_its_audit_entry(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=MANY)
    outcome, entry = cancelled(job)
    assert await backend.queue.mark_finalized(job.id, outcome, claim=None, audit=entry)
    assert (await backend.audit.find(limit=10)).items == (entry,)
    later, second = cancelled(job)
    assert not await backend.queue.mark_finalized(job.id, later, claim=None, audit=second)
    assert (await backend.audit.find(limit=10)).items == (entry,)


async def test_a_job_goes_on_where_the_audit_entry_of_its_end_cannot_be_written(
    backend: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=MANY)
    other = await backend.queue.enqueue(new_job(), max_active=MANY)
    outcome, entry = cancelled(job)
    await break_audit_log(backend, monkeypatch)
    ends = await asyncio.gather(
        backend.queue.mark_finalized(job.id, outcome, claim=None, audit=entry),
        backend.queue.mark_finalized(other.id, outcome_failed(other), claim=None),
        return_exceptions=True,
    )
    assert isinstance(ends[0], Exception)
    assert ends[1] is True  # an end without an entry in the same batch is not affected
    assert await backend.jobs.get(job.id) == job
    assert await events(backend, job.id) == [LogEvent.RECEIVED]


async def break_audit_log(backend: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every write of an audit entry fail."""
    if hasattr(backend, "database"):
        async with backend.database.begin() as connection:
            await connection.exec_driver_sql("alter table photochanger.audit_log add check (false) not valid")
        return

    def fail(entry: AuditEntry | None) -> None:
        if entry is not None:
            raise RuntimeError("the audit log cannot be written")

    monkeypatch.setattr(backend.audit, "write", fail)


async def test_a_job_that_does_not_exist_cannot_be_ended(backend: SimpleNamespace) -> None:
    assert not await backend.queue.mark_finalized(uuid4(), outcome_failed(new_job()), claim=None)


async def test_jobs_past_their_deadline_end_as_timed_out(backend: SimpleNamespace) -> None:
    late = await backend.queue.enqueue(expired_job(), max_active=MANY)
    live = await backend.queue.enqueue(new_job(), max_active=MANY)
    (ended,) = await backend.queue.release_expired(limit=MANY)
    assert ended == await backend.jobs.get(late.id)
    assert (ended.state, ended.failure_reason) == (JobState.TIMED_OUT, FailureReason.TIMEOUT)
    assert ended.error_code == "sync_timeout"
    assert ended.finalized_at is not None
    assert await events(backend, late.id) == [LogEvent.RECEIVED, LogEvent.FINALIZED]
    assert (await backend.jobs.get(live.id)).state is JobState.PENDING
    assert await backend.queue.release_expired(limit=MANY) == []


async def test_no_more_expired_jobs_are_ended_than_asked_for(backend: SimpleNamespace) -> None:
    for _ in range(3):
        await backend.queue.enqueue(expired_job(), max_active=MANY)
    assert [len(await backend.queue.release_expired(limit=2)) for _ in range(3)] == [2, 1, 0]


async def test_concurrent_sweeps_end_each_job_once(backend: SimpleNamespace) -> None:
    ids = {(await backend.queue.enqueue(expired_job(), max_active=MANY)).id for _ in range(20)}
    batches = await asyncio.gather(*(backend.queue.release_expired(limit=7) for _ in range(10)))
    ended = [job.id for batch in batches for job in batch]
    ended += [job.id for job in await backend.queue.release_expired(limit=MANY)]
    assert sorted(ended) == sorted(ids)


async def test_a_claim_of_another_worker_with_the_same_attempt_is_not_valid(backend: SimpleNamespace) -> None:
    """A claim may be lost in a crash of the database server; the next one has its number then."""
    job = await backend.queue.enqueue(new_job(), max_active=1)
    claim = await take_one(backend, worker="worker-2")
    lost = msgspec.structs.replace(claim, job=msgspec.structs.replace(claim.job, worker="worker-1"))
    assert await backend.queue.renew([lost], lease=LEASE) == set()
    assert not await backend.queue.note_reference(lost, "task-1", entry=0)
    assert not await backend.queue.mark_finalized(job.id, outcome_succeeded(job), claim=lost)
    assert not await backend.queue.release(lost)
    assert await backend.queue.mark_finalized(job.id, outcome_succeeded(job), claim=claim)
