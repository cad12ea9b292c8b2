"""Waiting for a job while watching for the client's disconnect."""

from __future__ import annotations

from datetime import datetime

from litestar.types import Receive

from ....core.domain.job import Job
from ....core.ports.clock import Clock
from ....core.ports.job_queue import JobQueue
from ....core.ports.job_service import JobService
from ....core.services.support.concurrency import race
from .body import ClientGone


async def wait_for(
    receive: Receive, job: Job, *, jobs: JobService, queue: JobQueue, clock: Clock, until: datetime | None = None
) -> Job:
    """The job at its end, or at `until`. A client that disconnects is noted; its job continues. ClientGone."""
    if job.state.finalized or (until is not None and until <= clock.now()):
        return job
    _, waited = await race(jobs.wait(job.id, until=until, known=job), disconnected(receive))
    if waited is not None:
        return waited
    await queue.abandon(job.id)
    raise ClientGone


async def disconnected(receive: Receive) -> None:
    """Return once the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass
