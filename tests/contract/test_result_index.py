"""The ResultIndex contract: lists of results, expiry, previews."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from photochanger.core.domain.job import JobSource
from photochanger.core.domain.pagination import Position
from photochanger.core.domain.slots.slot import shipped_slots

from tests.support.builders import outcome_failed
from tests.support.queue_steps import ended_job, live_job

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


async def test_recent_results_are_the_newest_of_the_slot_that_have_not_expired(backend: SimpleNamespace) -> None:
    jobs = [await ended_job(backend, finalized_at=NOW - number * HOUR) for number in (3, 1, 2)]
    await ended_job(backend, slot_id="slot-002")
    await ended_job(backend, result_expires_at=NOW)
    failed = await live_job(backend)
    await backend.queue.mark_finalized(failed.id, outcome_failed(failed), claim=None)
    await live_job(backend)
    assert (await backend.results.recent("slot-001", now=NOW, limit=10)).items == (jobs[1], jobs[2], jobs[0])
    assert (await backend.results.recent("slot-001", now=NOW, limit=2)).items == (jobs[1], jobs[2])


async def test_a_result_is_not_listed_from_its_expiry_on(backend: SimpleNamespace) -> None:
    job = await ended_job(backend, result_expires_at=NOW)
    before = NOW - timedelta(microseconds=1)
    assert (await backend.results.recent("slot-001", now=before, limit=10)).items == (job,)
    assert (await backend.results.recent("slot-001", now=NOW, limit=10)).items == ()


async def test_results_are_narrowed_by_source(backend: SimpleNamespace) -> None:
    by_source = {source: await ended_job(backend, source=source) for source in JobSource}
    for sources in ([JobSource.TEST], [JobSource.INGEST, JobSource.LIBRARY], []):
        recent = await backend.results.recent("slot-001", now=NOW, limit=10, sources=sources)
        assert {job.id for job in recent.items} == {by_source[source].id for source in sources}


async def test_pages_of_results_are_complete_where_jobs_ended_at_the_same_moment(backend: SimpleNamespace) -> None:
    jobs = [await ended_job(backend, finalized_at=NOW - n // 3 * MINUTE) for n in range(7)]
    wanted = sorted(((job.finalized_at, job.id) for job in jobs), reverse=True)
    seen: list[tuple[datetime | None, UUID]] = []
    after: Position | None = None
    sizes = []
    while not sizes or after is not None:
        page = await backend.results.recent("slot-001", now=NOW, limit=2, after=after)
        seen += [(job.finalized_at, job.id) for job in page.items]
        sizes.append(len(page.items))
        after = page.next
    assert (seen, sizes) == (wanted, [2, 2, 2, 1])
    assert (await backend.results.recent("slot-001", now=NOW, limit=7)).next is None


async def test_each_slot_has_its_newest_result_that_has_not_expired(backend: SimpleNamespace) -> None:
    await backend.slots.add_missing(shipped_slots())
    assert await backend.results.newest(now=NOW) == {}
    await ended_job(backend, finalized_at=NOW + MINUTE)
    newest = await ended_job(backend, finalized_at=NOW + 3 * MINUTE)
    await ended_job(backend, finalized_at=NOW + 2 * MINUTE)
    await ended_job(backend, finalized_at=NOW + 4 * MINUTE, result_expires_at=NOW + 5 * MINUTE)
    purged = await ended_job(backend, finalized_at=NOW + 5 * MINUTE)
    other = await ended_job(backend, slot_id="slot-015", finalized_at=NOW)
    failed = await live_job(backend, slot_id="slot-002")
    assert await backend.queue.mark_finalized(failed.id, outcome_failed(failed), claim=None)
    await backend.guests.forget([purged.id], now=NOW)
    assert await backend.results.newest(now=NOW + 5 * MINUTE) == {"slot-001": newest, "slot-015": other}


# Previews


async def test_a_preview_is_kept_until_the_answer_was_sent(backend: SimpleNamespace) -> None:
    job = await ended_job(backend)
    assert await backend.results.preview(job.id) is None
    assert await backend.results.store_preview(job.id, b"one")
    assert await backend.results.store_preview(job.id, b"two")
    assert await backend.results.preview(job.id) == b"two"
    await backend.results.clear_preview(job.id, answered_at=NOW)
    assert await backend.results.preview(job.id) is None
    assert not await backend.results.store_preview(job.id, b"three")
    assert await backend.results.preview(job.id) is None


async def test_a_live_or_unknown_job_takes_no_preview(backend: SimpleNamespace) -> None:
    job = await live_job(backend)
    assert not await backend.results.store_preview(job.id, b"early")
    assert await backend.results.preview(job.id) is None
    assert not await backend.results.store_preview(uuid4(), b"lost")
    assert await backend.results.preview(uuid4()) is None


async def test_a_client_that_got_its_answer_has_not_disconnected(backend: SimpleNamespace) -> None:
    job = await ended_job(backend)
    await backend.results.clear_preview(job.id, answered_at=NOW)
    await backend.queue.abandon(job.id)
    assert (await backend.jobs.get(job.id)).abandoned_at is None


async def test_old_previews_are_cleared_in_batches_and_young_ones_stay(backend: SimpleNamespace) -> None:
    old = [await ended_job(backend, finalized_at=NOW - HOUR) for _ in range(3)]
    young = await ended_job(backend, finalized_at=NOW)
    for job in (*old, young):
        assert await backend.results.store_preview(job.id, b"\x00young\xff" if job is young else b"old")
    await ended_job(backend, finalized_at=NOW - HOUR)
    cleared = [await backend.results.clear_previews(finalized_before=NOW, limit=2) for _ in range(3)]
    assert cleared == [2, 1, 0]
    assert [await backend.results.preview(job.id) for job in old] == [None] * 3
    assert await backend.results.preview(young.id) == b"\x00young\xff"
