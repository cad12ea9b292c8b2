"""Steps that the tests of the queue share."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from photochanger.core.domain.job import Claim, Job, JobSource, LogEvent

from tests.support.builders import new_job, outcome_succeeded

LEASE = timedelta(hours=1)
"""So long that no machine is too slow for it."""

NO_LEASE = timedelta(0)
MANY = 1000


async def events(backend: SimpleNamespace, job_id: UUID) -> list[LogEvent]:
    return [entry.event for entry in await backend.log.entries(job_id)]


async def take_one(backend: SimpleNamespace, *, worker: str = "worker-1", lease: timedelta = LEASE) -> Claim:
    (claim,) = await backend.queue.acquire(worker, n=1, lease=lease)
    return claim


async def live_job(backend: SimpleNamespace, **fields: Any) -> Job:
    job: Job = await backend.queue.enqueue(new_job(**fields), max_active=MANY)
    return job


async def ended_job(
    backend: SimpleNamespace, *, slot_id: str = "slot-001", source: JobSource = JobSource.INGEST, **outcome: Any
) -> Job:
    """A job that has succeeded with this outcome."""
    job = await live_job(backend, slot_id=slot_id, source=source)
    assert await backend.queue.mark_finalized(job.id, outcome_succeeded(job, **outcome), claim=None)
    ended: Job = await backend.jobs.get(job.id)
    return ended
