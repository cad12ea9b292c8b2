"""The JobRepository contract: job records, the files that they need, and pruning."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
from photochanger.core.domain.errors import JobNotFound
from photochanger.core.domain.media import MediaKind
from photochanger.core.domain.results.files import photo_key, preview_key

from tests.support.builders import media_object, new_job, outcome_failed, outcome_succeeded, stored_file
from tests.support.queue_steps import ended_job, live_job

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


async def test_a_job_that_does_not_exist_is_not_found(backend: SimpleNamespace) -> None:
    with pytest.raises(JobNotFound):
        await backend.jobs.get(uuid4())


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
    await backend.guests.forget([job.id], now=NOW)
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
    assert await backend.log.entries(gone.id) == []
    assert {event.entry.job_id for event in await backend.log.events(after=0, limit=100)} == {kept.id, live.id}
    assert (await backend.jobs.get(live.id)).id == live.id


async def test_a_job_whose_result_is_kept_is_not_pruned(backend: SimpleNamespace) -> None:
    at = datetime(2026, 5, 1, 3, tzinfo=UTC)
    job = await backend.queue.enqueue(new_job(), max_active=10)
    await backend.queue.mark_finalized(job.id, outcome_succeeded(job, finalized_at=at), claim=None)
    assert await backend.jobs.prune(before=at + HOUR, limit=10) == 0
    await backend.guests.forget([job.id], now=at)
    assert await backend.jobs.prune(before=at + HOUR, limit=10) == 1
