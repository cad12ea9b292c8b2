"""The state machine of a job, without any queue around it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from photochanger.core.domain.job import FailureReason, Job, JobState, Outcome, acquire, can_acquire, finalize, release
from photochanger.core.domain.stats.summary import StatsOutcome, outcome_of

from tests.support.builders import new_job, outcome_failed, outcome_succeeded, route

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
LEASE = timedelta(seconds=10)


def fresh() -> Job:
    return Job(spec=new_job(created_at=NOW, idempotency_key="key"))


def test_a_new_job_is_pending_and_keeps_every_field_it_was_made_with() -> None:
    new = new_job(created_at=NOW, idempotency_key="key")
    job = Job(spec=new)
    assert job.state is JobState.PENDING
    assert job.attempt == 0
    assert job.spec == new


def test_acquiring_gives_the_next_attempt_a_worker_and_a_lease() -> None:
    job = acquire(fresh(), "worker-1", now=NOW, lease_until=NOW + LEASE)
    assert (job.state, job.attempt, job.worker) == (JobState.PROCESSING, 1, "worker-1")
    assert (job.lease_until, job.acquired_at) == (NOW + LEASE, NOW)


def test_a_job_is_not_acquired_while_its_lease_lasts_and_is_once_it_has_run_out() -> None:
    job = acquire(fresh(), "worker-1", now=NOW, lease_until=NOW + LEASE)
    assert not can_acquire(job, NOW + LEASE - timedelta(microseconds=1))
    with pytest.raises(ValueError):
        acquire(job, "worker-2", now=NOW, lease_until=NOW + LEASE)
    again = acquire(job, "worker-2", now=NOW + LEASE, lease_until=NOW + 2 * LEASE)
    assert (again.attempt, again.worker, again.acquired_at) == (2, "worker-2", NOW)


def test_nothing_is_acquired_from_its_deadline_on() -> None:
    job = fresh()
    assert can_acquire(job, job.expires_at - timedelta(microseconds=1))
    assert not can_acquire(job, job.expires_at)


def test_a_released_job_can_be_acquired_at_once() -> None:
    job = release(acquire(fresh(), "worker-1", now=NOW, lease_until=NOW + LEASE))
    assert (job.state, job.worker, job.lease_until, job.attempt) == (JobState.PENDING, None, None, 1)
    assert can_acquire(job, NOW)


def test_success_keeps_the_idempotency_key_and_failure_gives_it_back() -> None:
    job = fresh()
    assert finalize(job, outcome_succeeded(job)).idempotency_key == "key"
    assert finalize(job, outcome_failed(job)).idempotency_key is None


def test_a_failure_that_is_answered_with_a_picture_keeps_the_idempotency_key() -> None:
    job = fresh()
    rescued = outcome_failed(job, result=outcome_succeeded(job).result)
    assert finalize(job, rescued).idempotency_key == "key"


@pytest.mark.parametrize("end", [outcome_succeeded, outcome_failed])
def test_a_job_ends_once(end) -> None:
    job = finalize(fresh(), end(fresh()))
    assert job.state.finalized
    assert job.lease_until is None
    assert not can_acquire(job, NOW)
    with pytest.raises(ValueError, match="finalized already"):
        finalize(job, outcome_succeeded(job))


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (JobState.PENDING, None),
        (JobState.PROCESSING, None),
        (JobState.SUCCEEDED, FailureReason.TIMEOUT),
        (JobState.SUCCEEDED, None),
        (JobState.FAILED, None),
    ],
)
def test_an_outcome_that_contradicts_itself_cannot_be_made(state: JobState, reason: FailureReason | None) -> None:
    with pytest.raises(ValueError):
        Outcome(state=state, finalized_at=NOW, failure_reason=reason)


def test_the_first_entry_of_the_route_names_the_provider_that_limits_count() -> None:
    assert new_job(route=route("gemini", "local")).first_provider == "gemini"


def test_every_failure_reason_counts_as_one_outcome() -> None:
    counted = {reason: outcome_of(reason, None) for reason in (None, *FailureReason)}
    assert counted == {
        None: StatsOutcome.SUCCESS,
        FailureReason.TIMEOUT: StatsOutcome.TIMEOUTS,
        FailureReason.PROVIDER_ERROR: StatsOutcome.PROVIDER_ERRORS,
        FailureReason.CANCELLED: StatsOutcome.CANCELLED,
        FailureReason.INVALID_PHOTO: StatsOutcome.ERRORS,
        FailureReason.STORAGE_ERROR: StatsOutcome.ERRORS,
    }


def test_a_failure_with_a_picture_of_the_failure_answer_counts_as_a_fallback() -> None:
    result = outcome_succeeded(new_job()).result
    assert result is not None
    fallback = msgspec.structs.replace(result, fallback=True)
    assert {outcome_of(reason, fallback) for reason in FailureReason} == {StatsOutcome.FALLBACK}
    assert outcome_of(FailureReason.TIMEOUT, result) is StatsOutcome.TIMEOUTS  # a late picture came after the answer
