"""The SlotRecordReader contract: what the stored jobs say about all slots."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from photochanger.core.domain.job import FailureReason, Job, JobSource, JobState
from photochanger.core.domain.slots.activity import EndedJobs, LiveJobs, SlotRecords
from photochanger.core.domain.slots.slot import shipped_slots
from photochanger.core.domain.stats.summary import bucket_of

from tests.support.builders import new_job, outcome_failed, outcome_succeeded

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


async def picture(backend: SimpleNamespace, at: datetime, *, seconds: int = 7, **changes: Any) -> Job:
    """A job that got its picture at this moment."""
    kept = {name: changes.pop(name) for name in ("result_expires_at",) if name in changes}
    spec = new_job(**{"created_at": at - seconds * SECOND, **changes})
    job = await backend.queue.enqueue(spec, max_active=1000)
    assert await backend.queue.mark_finalized(job.id, outcome_succeeded(job, finalized_at=at, **kept), claim=None)
    ended: Job = await backend.jobs.get(job.id)
    return ended


async def failure(backend: SimpleNamespace, at: datetime, reason: FailureReason, **changes: Any) -> None:
    """A job that ended for this reason."""
    job = await backend.queue.enqueue(new_job(created_at=at - MINUTE, **changes), max_active=1000)
    outcome = outcome_failed(job, failure_reason=reason, finalized_at=at)
    assert await backend.queue.mark_finalized(job.id, outcome, claim=None)


async def fallback(backend: SimpleNamespace, at: datetime) -> None:
    """A job that ended with the picture of its failure answer."""
    job = await backend.queue.enqueue(new_job(created_at=at - MINUTE), max_active=1000)
    outcome = outcome_succeeded(job, finalized_at=at, state=JobState.TIMED_OUT, failure_reason=FailureReason.TIMEOUT)
    assert outcome.result is not None
    made = msgspec.structs.replace(outcome, result=msgspec.structs.replace(outcome.result, fallback=True))
    assert await backend.queue.mark_finalized(job.id, made, claim=None)


async def read(backend: SimpleNamespace, *, since: datetime = NOON - MINUTE, now: datetime = NOON) -> SlotRecords:
    found: SlotRecords = await backend.slot_records.read(now=now, ended_since=since)
    return found


async def test_nothing_is_known_of_slots_without_jobs(backend: SimpleNamespace) -> None:
    await backend.slots.add_missing(shipped_slots())
    assert await read(backend) == SlotRecords()


async def test_ended_jobs_are_counted_by_slot_minute_and_outcome(backend: SimpleNamespace) -> None:
    await backend.slots.add_missing(shipped_slots())
    await picture(backend, NOON - MINUTE - SECOND)  # before the moment
    for seconds in (-60, -1, 0, 59):
        await picture(backend, NOON + seconds * SECOND)
    await picture(backend, NOON, slot_id="slot-002")
    await picture(backend, NOON, source=JobSource.LIBRARY)
    await picture(backend, NOON, source=JobSource.TEST)
    for reason in FailureReason:
        await failure(backend, NOON, reason)
    await fallback(backend, NOON)
    await failure(backend, NOON, FailureReason.TIMEOUT, source=JobSource.TEST)
    found = await read(backend)
    assert Counter(found.ended) == Counter(
        [
            EndedJobs("slot-001", NOON - MINUTE, None, False, 2),
            EndedJobs("slot-001", NOON, None, False, 3),
            EndedJobs("slot-002", NOON, None, False, 1),
            *(EndedJobs("slot-001", NOON, reason, False, 1) for reason in FailureReason),
            EndedJobs("slot-001", NOON, FailureReason.TIMEOUT, True, 1),
        ]
    )
    assert await read(backend, since=NOON + MINUTE) == msgspec.structs.replace(found, ended=(), latencies=())


async def test_latencies_are_those_of_pictures_by_minute(backend: SimpleNamespace) -> None:
    for seconds, slot_id in ((3, "slot-001"), (3, "slot-002"), (20, "slot-001")):
        await picture(backend, NOON, seconds=seconds, slot_id=slot_id)
    await picture(backend, NOON + MINUTE, seconds=3)
    await fallback(backend, NOON)
    await failure(backend, NOON, FailureReason.TIMEOUT)
    found = {(one.minute, one.bucket): one.count for one in (await read(backend)).latencies}
    quick, slow = bucket_of(3 * SECOND), bucket_of(20 * SECOND)
    assert found == {(NOON, quick): 2, (NOON, slow): 1, (NOON + MINUTE, quick): 1}


async def test_live_jobs_and_newest_photos_leave_out_test_runs(backend: SimpleNamespace) -> None:
    await backend.slots.add_missing(shipped_slots())
    now = datetime.now(UTC)  # jobs past their deadline are not acquired
    await picture(backend, NOON)
    await backend.queue.enqueue(new_job(created_at=now - 3 * SECOND), max_active=1000)
    assert len(await backend.queue.acquire("worker", n=1, lease=MINUTE)) == 1
    await backend.queue.enqueue(new_job(created_at=now - 2 * SECOND), max_active=1000)
    await backend.queue.enqueue(new_job(created_at=now - SECOND, source=JobSource.TEST), max_active=1000)
    await picture(backend, NOON, slot_id="slot-003", source=JobSource.TEST)
    found = await read(backend)
    assert found.live == {"slot-001": LiveJobs(pending=1, processing=1)}
    assert found.last_photos == {"slot-001": now - 2 * SECOND}
    assert {*found.newest} == {"slot-001", "slot-003"}


async def test_each_slot_has_its_newest_picture_that_still_exists(backend: SimpleNamespace) -> None:
    await backend.slots.add_missing(shipped_slots())
    await picture(backend, NOON + MINUTE)
    newest = await picture(backend, NOON + 3 * MINUTE)
    await picture(backend, NOON + 2 * MINUTE)
    await picture(backend, NOON + 4 * MINUTE, result_expires_at=NOON + 5 * MINUTE)
    purged = await picture(backend, NOON + 5 * MINUTE)
    other = await picture(backend, NOON, slot_id="slot-015")
    await failure(backend, NOON, FailureReason.TIMEOUT, slot_id="slot-002")
    await backend.guests.forget([purged.id], now=NOON)
    found = (await read(backend, now=NOON + 5 * MINUTE)).newest
    assert {slot_id: one.job_id for slot_id, one in found.items()} == {"slot-001": newest.id, "slot-015": other.id}
    shown = found["slot-001"]
    assert newest.result is not None
    assert (shown.completed_at, shown.expires_at) == (newest.finalized_at, newest.result.expires_at)
    assert (shown.mime, shown.size_bytes) == (newest.result.mime, newest.result.file.size_bytes)
