"""The GuestData contract: erasure of a guest, and forgetting guests with their pictures."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from photochanger.core.domain.accounts import Actor
from photochanger.core.domain.audit import AuditAction, AuditEntry, audit_entry
from photochanger.core.domain.errors import JobNotFound
from photochanger.core.domain.job import FailureReason, Job, JobState, LogEntry, LogEvent, cancelled
from photochanger.core.domain.results.files import result_keys
from photochanger.core.domain.results.listing import ResultFilter
from photochanger.core.domain.slots.slot import shipped_slots

from tests.support.builders import ingest_request, media_object, outcome_failed, outcome_succeeded, photo, webhook
from tests.support.queue_steps import LEASE, MANY, ended_job, events, live_job, take_one

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)


def entry_of(job_id: UUID) -> AuditEntry:
    return audit_entry(AuditAction.JOB_ERASED, Actor("ada", "10.0.0.9"), now=NOW, target=str(job_id))


async def audited(backend: SimpleNamespace) -> list[str | None]:
    page = await backend.audit.find(limit=10, action=AuditAction.JOB_ERASED)
    return [entry.target for entry in page.items]


async def full_job(backend: SimpleNamespace, **fields: Any) -> Job:
    """A live job with everything that a guest may leave in one."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    job = await live_job(backend, metadata={"guest": "Ada"}, idempotency_key="Ada-1", trace=trace, **fields)
    claim = await take_one(backend)
    assert await backend.queue.note_reference(claim, "Ada's work", entry=0)
    words = {"reason": "Ada wears red", "prompt": "Ada", "classification": "down", "duration_ms": 12.5, "call": 1}
    await backend.log.append([LogEntry(job.id, NOW, LogEvent.ATTEMPT, words)])
    await backend.ingest_requests.put(ingest_request(job_id=job.id))
    return job


async def assert_forgotten(backend: SimpleNamespace, job_id: UUID) -> None:
    job = await backend.jobs.get(job_id)
    assert (job.metadata, job.idempotency_key, job.trace, job.error_detail) == ({}, None, None, None)
    assert (job.provider_job_reference, job.provider_job_entry) == (None, None)
    assert job.photo.file.sha256 == ""
    assert not job.knows_guest
    assert await backend.ingest_requests.last("slot-001") is None
    entries = await backend.log.entries(job_id)
    assert "Ada" not in str(entries)
    (attempt,) = [entry for entry in entries if entry.event is LogEvent.ATTEMPT]
    assert attempt.detail == {"classification": "down", "duration_ms": 12.5, "call": 1}


async def test_an_ended_job_is_erased(backend: SimpleNamespace) -> None:
    job = await full_job(backend)
    outcome = outcome_succeeded(job, finalized_at=NOW - HOUR)
    assert await backend.queue.mark_finalized(job.id, outcome, claim=None)
    erasure = await backend.guests.erase(job.id, cancelled(NOW), audit=entry_of(job.id))
    assert not erasure.ended
    gone = await backend.jobs.get(job.id)
    assert erasure.job == gone
    assert (gone.state, gone.finalized_at, gone.erased_at) == (JobState.SUCCEEDED, NOW - HOUR, NOW)
    assert gone.result is not None
    assert outcome.result is not None
    assert gone.result.expires_at == NOW
    assert gone.result.file.key == outcome.result.file.key
    assert gone.photo.file.key == job.photo.file.key
    await assert_forgotten(backend, job.id)
    assert (await events(backend, job.id)).count(LogEvent.ERASED) == 1
    assert await audited(backend) == [str(job.id)]


async def test_a_live_job_is_ended_by_its_erasure(backend: SimpleNamespace) -> None:
    job = await full_job(backend)
    claim = (await backend.jobs.get(job.id)).attempt
    erasure = await backend.guests.erase(job.id, cancelled(NOW), audit=entry_of(job.id))
    assert erasure.ended
    gone = await backend.jobs.get(job.id)
    assert (gone.state, gone.failure_reason) == (JobState.CANCELLED, FailureReason.CANCELLED)
    assert (gone.error_code, gone.finalized_at, gone.attempt) == ("job_cancelled", NOW, claim)
    await assert_forgotten(backend, job.id)
    written = [event.entry.event for event in await backend.log.events(after=0, limit=100)]
    assert written[-2:] == [LogEvent.FINALIZED, LogEvent.ERASED]
    assert (await backend.queue.depth()).active == 0
    assert await backend.queue.acquire("worker-2", n=MANY, lease=LEASE) == []


async def test_the_end_by_an_erasure_wakes_those_who_wait(backend: SimpleNamespace) -> None:
    job = await live_job(backend)
    with backend.signals.finalized(job.id) as ended:
        await backend.guests.erase(job.id, cancelled(NOW))
        assert await ended.wait(timedelta(seconds=60))


async def test_nothing_late_is_stored_for_an_erased_job(backend: SimpleNamespace) -> None:
    job = await full_job(backend)
    claim = await backend.jobs.get(job.id)
    await backend.guests.erase(job.id, cancelled(NOW))
    outcome = outcome_succeeded(job)
    assert not await backend.queue.mark_finalized(job.id, outcome, claim=None)
    await backend.log.append([LogEntry(job.id, NOW, LogEvent.ATTEMPT, {"reason": "Ada is late"})])
    await backend.ingest_requests.put(ingest_request(job_id=job.id, received_at=NOW + HOUR))
    await assert_forgotten(backend, job.id)
    assert (await backend.jobs.get(job.id)).result is None
    assert claim.attempt == 1


async def test_no_late_picture_comes_to_an_erased_job(backend: SimpleNamespace) -> None:
    job = await live_job(backend)
    timed_out = {"state": JobState.TIMED_OUT, "failure_reason": FailureReason.TIMEOUT}
    await backend.queue.mark_finalized(job.id, outcome_failed(job, **timed_out), claim=None)
    await backend.guests.erase(job.id, cancelled(NOW))
    late = outcome_succeeded(job).result
    assert not await backend.queue.rescue(job.id, late, replaces=None)
    assert (await backend.jobs.get(job.id)).result is None


async def test_the_same_photo_and_key_make_a_new_job_after_an_erasure(backend: SimpleNamespace) -> None:
    first = await live_job(backend, photo=photo(sha256="a" * 64), idempotency_key="key")
    await backend.queue.abandon(first.id)
    await backend.queue.mark_finalized(first.id, outcome_succeeded(first), claim=None)
    await backend.guests.erase(first.id, cancelled(NOW))
    again = await live_job(backend, photo=photo(sha256="a" * 64), idempotency_key="key")
    assert again.id != first.id


async def test_erasing_again_changes_nothing(backend: SimpleNamespace) -> None:
    job = await ended_job(backend)
    first = await backend.guests.erase(job.id, cancelled(NOW), audit=entry_of(job.id))
    again = await backend.guests.erase(job.id, cancelled(NOW + HOUR), audit=entry_of(job.id))
    assert (again.job, again.ended) == (first.job, False)
    assert await audited(backend) == [str(job.id)]
    assert (await events(backend, job.id)).count(LogEvent.ERASED) == 1


async def test_an_unknown_job_is_not_erased(backend: SimpleNamespace) -> None:
    with pytest.raises(JobNotFound):
        await backend.guests.erase(uuid4(), cancelled(NOW), audit=entry_of(uuid4()))
    assert await audited(backend) == []


async def test_links_of_an_erased_job_expire_and_its_files_have_no_owner(backend: SimpleNamespace) -> None:
    job, other = await ended_job(backend), await ended_job(backend)
    media, kept = media_object(job_id=job.id), media_object(job_id=other.id)
    for one in (media, kept):
        await backend.media.add(one)
    await backend.guests.erase(job.id, cancelled(NOW - HOUR))
    assert (await backend.media.get(media.id)).expires_at == NOW - HOUR
    assert (await backend.media.get(kept.id)).expires_at == kept.expires_at
    assert [one.id for one in await backend.media.of_job(job.id)] == [media.id]
    assert job.result is not None
    assert await backend.jobs.in_use(result_keys(job.result.file.key)) == set()
    listed = await backend.results.find(ResultFilter(), now=NOW - 2 * HOUR, limit=10)
    assert [one.job.id for one in listed.items] == [other.id]


async def test_statistics_and_the_outbox_know_the_end_by_an_erasure(backend: SimpleNamespace) -> None:
    await backend.slots.add_missing(shipped_slots())
    await backend.webhooks.save(webhook())
    job = await live_job(backend)
    await backend.guests.erase(job.id, cancelled(NOW))
    cells = await backend.stats.cells([NOW - HOUR, NOW + HOUR], slot_id="slot-001")
    assert [(cell.outcome, cell.count) for cell in cells] == [("cancelled", 1)]
    assert [one.job_id for one in (await backend.outbox.find(limit=10)).items] == [job.id]


async def test_guests_are_forgotten_with_their_result_or_as_long_after_the_end(backend: SimpleNamespace) -> None:
    expired = await ended_job(backend, result_expires_at=NOW)
    await ended_job(backend, result_expires_at=NOW + MOMENT)
    old, young = await live_job(backend), await live_job(backend)
    await live_job(backend)
    await backend.queue.mark_finalized(old.id, outcome_failed(old, finalized_at=NOW - HOUR), claim=None)
    await backend.queue.mark_finalized(young.id, outcome_failed(young, finalized_at=NOW - HOUR + MOMENT), claim=None)
    due = await backend.guests.due(now=NOW, ended_before=NOW - HOUR, erased_before=NOW, limit=10)
    assert {job.id for job in due} == {expired.id, old.id}
    assert len(await backend.guests.due(now=NOW, ended_before=NOW - HOUR, erased_before=NOW, limit=1)) == 1
    assert await backend.guests.forget([expired.id, old.id, uuid4()], now=NOW) == 2
    assert await backend.guests.forget([expired.id, old.id], now=NOW) == 0
    assert await backend.guests.due(now=NOW, ended_before=NOW - HOUR, erased_before=NOW, limit=10) == []
    purged = await backend.jobs.get(expired.id)
    assert (purged.result_purged_at, purged.forgotten_at, purged.metadata) == (NOW, NOW, {})
    failed = await backend.jobs.get(old.id)
    assert (failed.result_purged_at, failed.forgotten_at, failed.metadata) == (None, NOW, {})
    assert (await backend.jobs.get(young.id)).metadata == {"guest": "Ada"}


async def test_a_forgotten_job_has_nothing_of_its_guest(backend: SimpleNamespace) -> None:
    job = await full_job(backend)
    await backend.queue.mark_finalized(job.id, outcome_succeeded(job, result_expires_at=NOW), claim=None)
    await backend.guests.forget([job.id], now=NOW)
    await assert_forgotten(backend, job.id)
    assert (await live_job(backend, idempotency_key="Ada-1")).id != job.id


async def test_an_erasure_is_due_once_more_whatever_the_job_had(backend: SimpleNamespace) -> None:
    job, failed = await ended_job(backend), await live_job(backend)
    for one in (job, failed):
        await backend.guests.erase(one.id, cancelled(NOW))
    before = {"now": NOW + HOUR, "ended_before": NOW + HOUR, "limit": 10}
    assert await backend.guests.due(**before, erased_before=NOW - MOMENT) == []
    due = await backend.guests.due(**before, erased_before=NOW)
    assert {one.id for one in due} == {job.id, failed.id}
    await backend.guests.forget([one.id for one in due], now=NOW + HOUR)
    assert await backend.guests.due(**before, erased_before=NOW) == []
    assert (await backend.jobs.get(job.id)).erased_at == NOW


async def test_hosts_that_forget_the_same_jobs_count_each_once(backend: SimpleNamespace) -> None:
    ids = [(await ended_job(backend)).id for _ in range(20)]
    forgetting = (backend.guests.forget(some, now=NOW) for some in (ids, ids[::-1], ids[10:], ids[:10]))
    assert sum(await asyncio.gather(*forgetting)) == 20


async def test_a_live_job_is_not_forgotten(backend: SimpleNamespace) -> None:
    job = await live_job(backend)
    await backend.guests.forget([job.id], now=NOW)
    assert await backend.guests.forget([], now=NOW) == 0
    kept = await backend.jobs.get(job.id)
    assert (kept.metadata, kept.forgotten_at) == ({"guest": "Ada"}, None)


async def test_a_forgotten_job_is_not_rescued(backend: SimpleNamespace) -> None:
    job = await live_job(backend)
    timed_out = {"state": JobState.TIMED_OUT, "failure_reason": FailureReason.TIMEOUT}
    await backend.queue.mark_finalized(job.id, outcome_failed(job, **timed_out), claim=None)
    await backend.guests.forget([job.id], now=NOW)
    assert not await backend.queue.rescue(job.id, outcome_succeeded(job).result, replaces=None)
