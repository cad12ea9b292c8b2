"""Waiting for a job while watching for the client's disconnect."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from litestar import Request
from litestar.types import Receive, Scope

from ....core.domain.errors import QueueUnavailable
from ....core.domain.job import Job
from ....core.ports.clock import Clock
from ....core.ports.job_queue import JobQueue
from ....core.ports.job_service import JobService
from ....core.services.support.concurrency import race
from ..extensions import connection_of
from .body import ClientGone

_log = logging.getLogger("photochanger.http")


async def wait_for(
    request: Request[Any, Any, Any],
    job: Job,
    *,
    jobs: JobService,
    queue: JobQueue,
    clock: Clock,
    until: datetime | None = None,
) -> Job:
    """The job at its end, or at `until`. A client that disconnects is noted; its job continues. ClientGone.

    A client that shuts down only its sending side is answered. It is noted as well: it looks the same as one that has
    gone, and may send the photo again.
    """
    if job.state.finalized or (until is not None and until <= clock.now()):
        return job
    _, waited = await race(jobs.wait(job.id, until=until, known=job), _gone(request, job, queue))
    if waited is not None:
        return waited
    await _abandon(job, queue)
    raise ClientGone


async def _gone(request: Request[Any, Any, Any], job: Job, queue: JobQueue) -> None:
    """Return once the client has disconnected; note when it shuts down its sending side."""
    if (connection := connection_of(request.scope)) is not None:
        ended, _ = await race(disconnected(request.receive), connection.half_closed())
        if ended == 0:
            return
        await _abandon(job, queue)
    await disconnected(request.receive)


async def _abandon(job: Job, queue: JobQueue) -> None:
    try:
        await queue.abandon(job.id)
    except QueueUnavailable as error:
        _log.warning("disconnect of the client of job %s not noted: %s", job.id, error.detail)


async def hung_up(scope: Scope, receive: Receive) -> None:
    """Return once the client of a live stream has disconnected or shut down its sending side, which such a client does
    only when it goes."""
    if (connection := connection_of(scope)) is None:
        await disconnected(receive)
    else:
        await race(disconnected(receive), connection.half_closed())


async def disconnected(receive: Receive) -> None:
    """Return once the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass
