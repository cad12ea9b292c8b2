"""Steps that the tests of the queue share."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from uuid import UUID

from photochanger.core.domain.job import Claim, LogEvent

LEASE = timedelta(seconds=30)
NO_LEASE = timedelta(0)
MANY = 1000


async def events(backend: SimpleNamespace, job_id: UUID) -> list[LogEvent]:
    return [entry.event for entry in await backend.jobs.logs(job_id)]


async def take_one(backend: SimpleNamespace, *, worker: str = "worker-1", lease: timedelta = LEASE) -> Claim:
    (claim,) = await backend.queue.acquire(worker, n=1, lease=lease)
    return claim
