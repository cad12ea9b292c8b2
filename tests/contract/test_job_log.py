"""The JobLog contract."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
from photochanger.core.domain.job import JobSource, JobState, LogEntry, LogEvent

from tests.support.builders import outcome_failed
from tests.support.queue_steps import LEASE, live_job

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
ENDING = (LogEvent.ATTEMPT, LogEvent.FINALIZED)


async def test_entries_are_listed_as_written_oldest_first(backend: SimpleNamespace) -> None:
    job = await live_job(backend)
    start = datetime.now(UTC) + HOUR
    detail = {"provider": "gemini", "ms": 12.5, "retry": True, "reasons": ["NO_IMAGE", None], "text": "ü “x” \\"}
    entries = [
        LogEntry(job.id, start, LogEvent.ATTEMPT, {"bytes": 2**40}),
        LogEntry(job.id, start + timedelta(seconds=1), LogEvent.ATTEMPT, detail),
    ]
    await backend.log.append(entries)
    assert (await backend.log.entries(job.id))[1:] == entries


async def test_entries_of_unknown_jobs_are_dropped(backend: SimpleNamespace) -> None:
    job, unknown = await live_job(backend), uuid4()
    at = datetime.now(UTC) + HOUR
    await backend.log.append([LogEntry(unknown, at, LogEvent.ATTEMPT), LogEntry(job.id, at, LogEvent.ATTEMPT)])
    assert [entry.event for entry in await backend.log.entries(job.id)] == [LogEvent.RECEIVED, LogEvent.ATTEMPT]
    assert await backend.log.entries(unknown) == []


async def test_appending_nothing_does_nothing(backend: SimpleNamespace) -> None:
    job = await live_job(backend)
    await backend.log.append([])
    assert len(await backend.log.entries(job.id)) == 1


# Events


async def test_events_of_all_jobs_come_in_the_order_of_their_writing(backend: SimpleNamespace) -> None:
    assert (await backend.log.events(after=0, limit=10), await backend.log.last_event()) == ([], 0)
    now = datetime.now(UTC)
    one = await live_job(backend, created_at=now - MINUTE, expires_at=now + HOUR)
    two = await live_job(backend, slot_id="slot-002", source=JobSource.TEST)
    (claim, *_) = await backend.queue.acquire("worker", n=1, lease=LEASE)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    await backend.log.append([LogEntry(one.id, long_ago, LogEvent.ATTEMPT, {"ms": 1})])
    await backend.queue.mark_finalized(one.id, outcome_failed(one), claim=claim)
    found = await backend.log.events(after=0, limit=10)
    assert [(event.entry.job_id, event.entry.event, event.state) for event in found] == [
        (one.id, LogEvent.RECEIVED, JobState.PENDING),
        (two.id, LogEvent.RECEIVED, JobState.PENDING),
        (one.id, LogEvent.ACQUIRED, JobState.PROCESSING),
        (one.id, LogEvent.ATTEMPT, None),
        (one.id, LogEvent.FINALIZED, JobState.FAILED),
    ]
    assert [event.id for event in found] == sorted({event.id for event in found})
    assert found[3].entry == LogEntry(one.id, long_ago, LogEvent.ATTEMPT, {"ms": 1})
    assert [(event.slot_id, event.source) for event in found[:2]] == [
        ("slot-001", JobSource.INGEST),
        ("slot-002", JobSource.TEST),
    ]
    assert await backend.log.last_event() == found[-1].id


async def test_events_are_read_from_an_id_on(backend: SimpleNamespace) -> None:
    for _ in range(5):
        await live_job(backend)
    found = await backend.log.events(after=0, limit=10)
    assert await backend.log.events(after=found[1].id, limit=2) == found[2:4]
    assert await backend.log.events(after=found[3].id, limit=10) == found[4:]
    assert await backend.log.events(after=found[4].id, limit=10) == []
    assert await backend.log.events(after=found[4].id + 1000, limit=10) == []


# Attempts and the end of their job


async def test_attempts_that_are_written_with_the_end_come_before_it(backend: SimpleNamespace) -> None:
    one, two = await live_job(backend), await live_job(backend)
    claims = await backend.queue.acquire("worker", n=2, lease=LEASE)
    seen = await backend.log.last_event()
    for claim in claims:
        outcome = outcome_failed(claim.job, finalized_at=datetime.now(UTC))
        attempts = [
            LogEntry(claim.job.id, outcome.finalized_at - SECOND / call, LogEvent.ATTEMPT, {"call": call})
            for call in (1, 2)
        ]
        assert await backend.queue.mark_finalized(claim.job.id, outcome, claim=claim, attempts=attempts)
        listed = [entry for entry in await backend.log.entries(claim.job.id) if entry.event in ENDING]
        assert listed[:2] == attempts
    events = await backend.log.events(after=seen, limit=10)
    assert [(event.entry.job_id, event.entry.detail.get("call"), event.after_end) for event in events] == [
        (job.id, call, False) for job in (one, two) for call in (1, 2, None)
    ]


async def test_the_loser_of_the_end_writes_no_attempts(backend: SimpleNamespace) -> None:
    job = await live_job(backend)
    (claim,) = await backend.queue.acquire("worker", n=1, lease=LEASE)
    await backend.queue.mark_finalized(job.id, outcome_failed(job), claim=None)
    attempt = LogEntry(job.id, datetime.now(UTC), LogEvent.ATTEMPT)
    assert not await backend.queue.mark_finalized(job.id, outcome_failed(job), claim=claim, attempts=[attempt])
    assert LogEvent.ATTEMPT not in {entry.event for entry in await backend.log.entries(job.id)}


async def test_an_attempt_after_the_end_is_listed_before_it_and_marked(backend: SimpleNamespace) -> None:
    job = await live_job(backend)
    ended_at = datetime.now(UTC) + MINUTE
    await backend.log.append([LogEntry(job.id, datetime.now(UTC), LogEvent.ATTEMPT, {"call": 1})])
    await backend.queue.mark_finalized(job.id, outcome_failed(job, finalized_at=ended_at), claim=None)
    await backend.log.append([LogEntry(job.id, ended_at + HOUR, LogEvent.ATTEMPT, {"call": 2})])
    listed = await backend.log.entries(job.id)
    assert [entry.detail.get("call") for entry in listed] == [None, 1, 2, None]
    assert (listed[-1].event, {entry.at for entry in listed[2:]}) == (LogEvent.FINALIZED, {ended_at})
    events = await backend.log.events(after=0, limit=10)
    assert [(event.entry.detail.get("call"), event.after_end) for event in events[1:]] == [
        (1, False),
        (None, False),
        (2, True),
    ]


async def test_an_attempt_that_was_written_already_is_not_written_again(backend: SimpleNamespace) -> None:
    job = await live_job(backend)
    (claim,) = await backend.queue.acquire("worker", n=1, lease=LEASE)
    at = datetime.now(UTC)
    calls = [LogEntry(job.id, at, LogEvent.ATTEMPT, {"call": call, "ms": 1.5}) for call in (1, 2, 3)]
    for _ in range(2):  # the reply to the first writing was lost
        await backend.log.append(calls[:2])
    await backend.queue.mark_finalized(job.id, outcome_failed(job), claim=claim, attempts=calls[2:])
    await backend.log.append(calls)
    written = [event.entry for event in await backend.log.events(after=0, limit=20)]
    assert [entry.detail["call"] for entry in written if entry.event is LogEvent.ATTEMPT] == [1, 2, 3]
