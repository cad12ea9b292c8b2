"""The JobRepository contract: job records, their logs, previews, results and what the sweeper asks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from photochanger.core.domain.errors import JobNotFound
from photochanger.core.domain.job import Job, LogEntry, LogEvent
from photochanger.core.domain.media import MediaKind
from photochanger.core.domain.result_files import photo_key, preview_key

from tests.support.builders import (
    media_object,
    new_job,
    outcome_failed,
    outcome_succeeded,
    stored_file,
)

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


async def live_job(backend: SimpleNamespace, **overrides: Any) -> Job:
    return await backend.queue.enqueue(new_job(**overrides), max_active=1000)


async def ended_job(backend: SimpleNamespace, *, slot_id: str = "slot-001", **outcome: Any) -> Job:
    job = await live_job(backend, slot_id=slot_id)
    assert await backend.queue.mark_finalized(job.id, outcome_succeeded(job, **outcome), claim=None)
    return await backend.jobs.get(job.id)


async def test_a_job_that_does_not_exist_is_not_found(backend: SimpleNamespace) -> None:
    with pytest.raises(JobNotFound):
        await backend.jobs.get(uuid4())


# Logs


async def test_log_entries_come_back_as_they_were_written_oldest_first(backend: SimpleNamespace) -> None:
    job = await live_job(backend)
    start = datetime.now(UTC) + HOUR
    detail = {"provider": "gemini", "ms": 12.5, "retry": True, "reasons": ["NO_IMAGE", None], "text": "ü “x” \\"}
    entries = [
        LogEntry(job.id, start, LogEvent.ATTEMPT, {"bytes": 2**40}),
        LogEntry(job.id, start + timedelta(seconds=1), LogEvent.ATTEMPT, detail),
    ]
    await backend.jobs.append_logs(entries)
    assert (await backend.jobs.logs(job.id))[1:] == entries


async def test_entries_of_unknown_jobs_are_dropped_and_the_others_are_kept(backend: SimpleNamespace) -> None:
    job, unknown = await live_job(backend), uuid4()
    at = datetime.now(UTC) + HOUR
    await backend.jobs.append_logs([LogEntry(unknown, at, LogEvent.ATTEMPT), LogEntry(job.id, at, LogEvent.ATTEMPT)])
    assert [entry.event for entry in await backend.jobs.logs(job.id)] == [LogEvent.RECEIVED, LogEvent.ATTEMPT]
    assert await backend.jobs.logs(unknown) == []


async def test_appending_nothing_does_nothing(backend: SimpleNamespace) -> None:
    job = await live_job(backend)
    await backend.jobs.append_logs([])
    assert len(await backend.jobs.logs(job.id)) == 1


# Results


async def test_recent_results_are_the_newest_of_the_slot_that_still_hold(backend: SimpleNamespace) -> None:
    jobs = [await ended_job(backend, finalized_at=NOW - number * HOUR) for number in (3, 1, 2)]
    await ended_job(backend, slot_id="slot-002")
    await ended_job(backend, result_expires_at=NOW)
    failed = await live_job(backend)
    await backend.queue.mark_finalized(failed.id, outcome_failed(failed), claim=None)
    await live_job(backend)
    recent = await backend.jobs.recent_results("slot-001", now=NOW, limit=10)
    assert recent == [jobs[1], jobs[2], jobs[0]]
    assert await backend.jobs.recent_results("slot-001", now=NOW, limit=2) == [jobs[1], jobs[2]]


async def test_a_result_expires_at_its_moment_and_not_before(backend: SimpleNamespace) -> None:
    job = await ended_job(backend, result_expires_at=NOW)
    before = NOW - timedelta(microseconds=1)
    assert await backend.jobs.expired_results(now=before, limit=10) == []
    assert await backend.jobs.recent_results("slot-001", now=before, limit=10) == [job]
    assert await backend.jobs.expired_results(now=NOW, limit=10) == [job]
    assert await backend.jobs.recent_results("slot-001", now=NOW, limit=10) == []


async def test_purged_results_are_not_purged_again(backend: SimpleNamespace) -> None:
    jobs = [await ended_job(backend, result_expires_at=NOW - HOUR) for _ in range(3)]
    assert len(await backend.jobs.expired_results(now=NOW, limit=2)) == 2
    await backend.jobs.mark_purged([jobs[0].id, jobs[1].id, uuid4()], now=NOW)
    assert await backend.jobs.expired_results(now=NOW, limit=10) == [jobs[2]]
    assert (await backend.jobs.get(jobs[0].id)).result_purged_at == NOW
    await backend.jobs.mark_purged([], now=NOW)


async def test_a_purged_result_gives_its_idempotency_key_back(backend: SimpleNamespace) -> None:
    job = await live_job(backend, idempotency_key="key")
    await backend.queue.mark_finalized(job.id, outcome_succeeded(job), claim=None)
    await backend.jobs.mark_purged([job.id], now=NOW)
    again = await live_job(backend, idempotency_key="key")
    assert again.id != job.id


# Previews


async def test_a_preview_is_kept_until_the_answer_was_sent_and_none_after_that(backend: SimpleNamespace) -> None:
    job = await ended_job(backend)
    assert await backend.jobs.preview(job.id) is None
    assert await backend.jobs.store_preview(job.id, b"one")
    assert await backend.jobs.store_preview(job.id, b"two")
    assert await backend.jobs.preview(job.id) == b"two"
    await backend.jobs.clear_preview(job.id, answered_at=NOW)
    assert await backend.jobs.preview(job.id) is None
    assert not await backend.jobs.store_preview(job.id, b"three")
    assert await backend.jobs.preview(job.id) is None


async def test_a_live_or_unknown_job_takes_no_preview(backend: SimpleNamespace) -> None:
    job = await live_job(backend)
    assert not await backend.jobs.store_preview(job.id, b"early")
    assert await backend.jobs.preview(job.id) is None
    assert not await backend.jobs.store_preview(uuid4(), b"lost")
    assert await backend.jobs.preview(uuid4()) is None


async def test_a_client_that_got_its_answer_does_not_count_as_hung_up(backend: SimpleNamespace) -> None:
    job = await ended_job(backend)
    await backend.jobs.clear_preview(job.id, answered_at=NOW)
    await backend.queue.abandon(job.id)
    assert (await backend.jobs.get(job.id)).abandoned_at is None


async def test_old_previews_are_cleared_in_batches_and_young_ones_stay(backend: SimpleNamespace) -> None:
    old = [await ended_job(backend, finalized_at=NOW - HOUR) for _ in range(3)]
    young = await ended_job(backend, finalized_at=NOW)
    for job in (*old, young):
        assert await backend.jobs.store_preview(job.id, b"\x00young\xff" if job is young else b"old")
    await ended_job(backend, finalized_at=NOW - HOUR)
    cleared = [await backend.jobs.clear_previews(finalized_before=NOW, limit=2) for _ in range(3)]
    assert cleared == [2, 1, 0]
    assert [await backend.jobs.preview(job.id) for job in old] == [None] * 3
    assert await backend.jobs.preview(young.id) == b"\x00young\xff"


# Files


async def test_a_payload_is_in_use_while_its_job_is_live(backend: SimpleNamespace) -> None:
    job = await live_job(backend)
    key, orphan = job.photo.file.key, stored_file().key
    assert await backend.jobs.in_use([key, orphan]) == {key}
    await backend.queue.mark_finalized(job.id, outcome_failed(job), claim=None)
    assert await backend.jobs.in_use([key, orphan]) == set()


async def test_a_result_and_its_previews_are_in_use_until_they_are_marked_as_purged(backend: SimpleNamespace) -> None:
    job = await ended_job(backend, result_expires_at=NOW - HOUR)
    assert job.result is not None
    result = job.result.file.key
    keys = {result, preview_key(result), photo_key(result)}
    strangers = {stored_file(MediaKind.RESULTS).key, stored_file(MediaKind.PREVIEWS).key}
    assert await backend.jobs.in_use(keys | strangers) == keys
    await backend.jobs.mark_purged([job.id], now=NOW)
    assert await backend.jobs.in_use(keys | strangers) == set()


async def test_the_result_of_a_finalizer_that_lost_is_not_in_use(backend: SimpleNamespace) -> None:
    job = await ended_job(backend)
    late = outcome_succeeded(job)
    assert late.result is not None
    assert not await backend.queue.mark_finalized(job.id, late, claim=None)
    assert await backend.jobs.in_use([late.result.file.key]) == set()


async def test_no_keys_are_in_use_where_none_are_asked_for(backend: SimpleNamespace) -> None:
    await live_job(backend)
    assert await backend.jobs.in_use([]) == set()


async def test_pruned_jobs_take_all_that_is_theirs_along(backend: SimpleNamespace) -> None:
    at = datetime(2026, 5, 1, 3, tzinfo=UTC)
    gone, kept, live = [await backend.queue.enqueue(new_job(), max_active=10) for _ in range(3)]
    await backend.media.add(media_object(job_id=gone.id))  # it must not hold its job back
    await backend.queue.mark_finalized(gone.id, outcome_failed(gone, finalized_at=at - HOUR), claim=None)
    await backend.queue.mark_finalized(kept.id, outcome_failed(kept, finalized_at=at), claim=None)
    assert await backend.jobs.prune(before=at, limit=10) == 1
    assert await backend.jobs.prune(before=at, limit=10) == 0
    with pytest.raises(JobNotFound):
        await backend.jobs.get(gone.id)
    assert await backend.jobs.logs(gone.id) == []
    assert {event.entry.job_id for event in await backend.jobs.events(after=0, limit=100)} == {kept.id, live.id}
    assert (await backend.jobs.get(live.id)).id == live.id


async def test_a_job_whose_result_is_kept_is_not_pruned(backend: SimpleNamespace) -> None:
    at = datetime(2026, 5, 1, 3, tzinfo=UTC)
    job = await backend.queue.enqueue(new_job(), max_active=10)
    await backend.queue.mark_finalized(job.id, outcome_succeeded(job, finalized_at=at), claim=None)
    assert await backend.jobs.prune(before=at + HOUR, limit=10) == 0
    await backend.jobs.mark_purged([job.id], now=at)
    assert await backend.jobs.prune(before=at + HOUR, limit=10) == 1
