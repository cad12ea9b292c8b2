"""The ResultIndex contract: lists of results, expiry, visibility, previews."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from photochanger.core.domain.accounts import Actor
from photochanger.core.domain.audit import AuditAction, audit_entry
from photochanger.core.domain.job import Job, JobSource, LogEvent
from photochanger.core.domain.pagination import Position
from photochanger.core.domain.results.listing import ResultFilter, Visibility

from tests.support.builders import outcome_failed
from tests.support.queue_steps import ended_job, events, live_job

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
OF_SLOT = ResultFilter(slot_ids=("slot-001",))


async def found(
    backend: SimpleNamespace, wanted: ResultFilter = OF_SLOT, *, now: datetime = NOW, limit: int = 10
) -> tuple[Job, ...]:
    """The jobs of the first page."""
    page = await backend.results.find(wanted, now=now, limit=limit)
    return tuple(listed.job for listed in page.items)


async def test_recent_results_are_the_newest_of_the_slot_that_have_not_expired(backend: SimpleNamespace) -> None:
    jobs = [await ended_job(backend, finalized_at=NOW - number * HOUR) for number in (3, 1, 2)]
    await ended_job(backend, slot_id="slot-002")
    await ended_job(backend, result_expires_at=NOW)
    failed = await live_job(backend)
    await backend.queue.mark_finalized(failed.id, outcome_failed(failed), claim=None)
    await live_job(backend)
    assert await found(backend) == (jobs[1], jobs[2], jobs[0])
    assert await found(backend, limit=2) == (jobs[1], jobs[2])


async def test_a_result_is_not_listed_from_its_expiry_on(backend: SimpleNamespace) -> None:
    job = await ended_job(backend, result_expires_at=NOW)
    before = NOW - timedelta(microseconds=1)
    assert await found(backend, now=before) == (job,)
    assert await found(backend) == ()


async def test_results_are_narrowed_by_source(backend: SimpleNamespace) -> None:
    by_source = {source: await ended_job(backend, source=source) for source in JobSource}
    for sources in ((JobSource.TEST,), (JobSource.INGEST, JobSource.LIBRARY)):
        wanted = ResultFilter(sources=sources)
        assert {job.id for job in await found(backend, wanted)} == {by_source[source].id for source in sources}
    assert {job.id for job in await found(backend, ResultFilter(sources=()))} == {job.id for job in by_source.values()}


async def test_pages_of_results_are_complete_where_jobs_ended_at_the_same_moment(backend: SimpleNamespace) -> None:
    jobs = [await ended_job(backend, finalized_at=NOW - n // 3 * MINUTE) for n in range(7)]
    wanted = sorted(((job.finalized_at, job.id) for job in jobs), reverse=True)
    seen: list[tuple[datetime | None, UUID]] = []
    after: Position | None = None
    sizes = []
    while not sizes or after is not None:
        page = await backend.results.find(OF_SLOT, now=NOW, limit=2, after=after)
        seen += [(listed.job.finalized_at, listed.job.id) for listed in page.items]
        sizes.append(len(page.items))
        after = page.next
    assert (seen, sizes) == (wanted, [2, 2, 2, 1])
    assert (await backend.results.find(OF_SLOT, now=NOW, limit=7)).next is None


async def test_results_are_narrowed_by_slots_jobs_and_end(backend: SimpleNamespace) -> None:
    first = await ended_job(backend, finalized_at=NOW - 2 * HOUR)
    second = await ended_job(backend, slot_id="slot-002", finalized_at=NOW - HOUR)
    third = await ended_job(backend, slot_id="slot-003", finalized_at=NOW)
    conditions: list[tuple[dict[str, Any], list[Job]]] = [
        ({}, [third, second, first]),
        ({"slot_ids": ("slot-003", "slot-001")}, [third, first]),
        ({"slot_ids": ("slot-404",)}, []),
        ({"job_ids": (first.id, second.id, uuid4())}, [second, first]),
        ({"job_ids": (first.id,), "slot_ids": ("slot-002",)}, []),
        ({"ended_from": NOW - HOUR}, [third, second]),
        ({"ended_to": NOW - HOUR}, [first]),
        ({"ended_from": NOW - 2 * HOUR, "ended_to": NOW}, [second, first]),
        (
            {"ended_from": datetime.min.replace(tzinfo=UTC), "ended_to": datetime.max.replace(tzinfo=UTC)},
            [third, second, first],
        ),
    ]
    for fields, wanted in conditions:
        assert await found(backend, ResultFilter(**fields)) == tuple(wanted), fields
        assert await backend.results.count(ResultFilter(**fields), now=NOW, limit=10) == len(wanted), fields
    assert await backend.results.count(ResultFilter(), now=NOW, limit=2) == 2
    assert await backend.results.count(ResultFilter(), now=NOW + 100 * HOUR, limit=2) == 0


# Visibility


async def visibilities(backend: SimpleNamespace, wanted: ResultFilter = OF_SLOT) -> dict[UUID, Visibility]:
    page = await backend.results.find(wanted, now=NOW, limit=10)
    return {listed.job.id: listed.visibility for listed in page.items}


async def test_a_result_is_hidden_and_shown_again(backend: SimpleNamespace) -> None:
    job, other = await ended_job(backend), await ended_job(backend)
    assert await visibilities(backend) == {job.id: Visibility.SHOWN, other.id: Visibility.SHOWN}
    assert await backend.results.set_visibility(job.id, Visibility.HIDDEN, at=NOW)
    assert await visibilities(backend) == {job.id: Visibility.HIDDEN, other.id: Visibility.SHOWN}
    for visibility, one in ((Visibility.HIDDEN, job), (Visibility.SHOWN, other)):
        assert await visibilities(backend, ResultFilter(visibility=visibility)) == {one.id: visibility}
    assert await backend.results.set_visibility(job.id, Visibility.SHOWN, at=NOW)
    assert await visibilities(backend, ResultFilter(visibility=Visibility.HIDDEN)) == {}


async def test_a_change_of_visibility_is_logged_and_audited_once(backend: SimpleNamespace) -> None:
    job = await ended_job(backend)
    by = Actor("ada")
    for _ in range(2):
        entry = audit_entry(AuditAction.RESULT_HIDDEN, by, now=NOW, target=str(job.id))
        await backend.results.set_visibility(job.id, Visibility.HIDDEN, at=NOW, audit=entry)
    entries = [entry for entry in await backend.log.entries(job.id) if entry.event is LogEvent.VISIBILITY]
    assert [(entry.at, entry.detail) for entry in entries] == [(NOW, {"visibility": "hidden"})]
    (audited,) = (await backend.audit.find(limit=10)).items
    assert (audited.action, audited.target) == (AuditAction.RESULT_HIDDEN, str(job.id))


async def test_jobs_without_a_result_have_no_visibility(backend: SimpleNamespace) -> None:
    failed, live = await live_job(backend), await live_job(backend)
    await backend.queue.mark_finalized(failed.id, outcome_failed(failed), claim=None)
    entry = audit_entry(AuditAction.RESULT_HIDDEN, Actor("ada"), now=NOW)
    for job_id in (failed.id, live.id, uuid4()):
        assert not await backend.results.set_visibility(job_id, Visibility.HIDDEN, at=NOW, audit=entry)
        assert LogEvent.VISIBILITY not in await events(backend, job_id)
    assert (await backend.audit.find(limit=10)).items == ()


# Answers


async def test_a_client_that_got_its_answer_has_not_disconnected(backend: SimpleNamespace) -> None:
    job = await ended_job(backend)
    await backend.results.note_answered(job.id, at=NOW)
    await backend.queue.abandon(job.id)
    assert (await backend.jobs.get(job.id)).abandoned_at is None
