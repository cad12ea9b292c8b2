"""Waiting for a job while watching for the client's disconnect."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any

from litestar import Request
from litestar.types import Receive, Scope

from ....core.domain.errors import QueueUnavailable, ShuttingDown
from ....core.domain.job import Job
from ....core.ports.clock import Clock
from ....core.ports.job_queue import JobQueue
from ....core.ports.job_service import JobService
from ....core.services.jobs.resends import LiveRequest
from ....core.services.support.availability import UntilAvailable
from ....core.services.support.concurrency import race
from ..extensions import connection_of
from ..shutdown import SHUTTING_DOWN, Shutdown
from .body import ClientGone

_log = logging.getLogger("photochanger.http")

_NOTE_SECONDS = 1.0
"""How long a request that is given up waits until it is noted that its client may send the photo again."""


async def wait_for(
    request: Request[Any, Any, Any],
    job: Job,
    *,
    jobs: JobService,
    queue: JobQueue,
    clock: Clock,
    shutdown: Shutdown,
    until: datetime | None = None,
    live: LiveRequest | None = None,
) -> Job:
    """The job at its end, or at `until`. A client that disconnects is noted; its job continues. ClientGone.

    ShuttingDown where the wait is given up; the job continues, and a photo that is sent again joins it.
    A client that shuts down only its sending side is answered. It is noted as well, before it is answered: it looks the
    same as one that has gone, and may send the photo again. `live` notes either.
    """
    if job.state.finalized or (until is not None and until <= clock.now()):
        return job
    abandon = partial(_abandon, job, queue, clock)
    left = race(_gone(request, abandon, live), shutdown.given_up())
    _, waited = await race(jobs.wait(job.id, until=until, known=job), left)
    connection = connection_of(request.scope)
    if isinstance(waited, Job) and (connection is None or not connection.is_client_gone):
        return waited
    await race(abandon(), _too_late_to_note(shutdown))
    if live is not None:
        live.note_departure()
    if isinstance(waited, Job):
        return waited
    if waited == (1, None):
        raise ShuttingDown(SHUTTING_DOWN, job_id=job.id, expires_at=job.expires_at)
    raise ClientGone


async def _gone(
    request: Request[Any, Any, Any], abandon: Callable[[], Awaitable[None]], live: LiveRequest | None
) -> None:
    """Return once the client has disconnected; note when it shuts down its sending side."""
    if (connection := connection_of(request.scope)) is not None:
        ended, _ = await race(disconnected(request.receive), connection.half_closed())
        if ended == 0:
            return
        await abandon()
        if live is not None:
            live.note_departure()
    await disconnected(request.receive)


async def _abandon(job: Job, queue: JobQueue, clock: Clock) -> None:
    """Note the disconnect as soon as the queue is available, while a photo that comes again can join the job."""
    try:
        await UntilAvailable(clock, job.expires_at)(partial(queue.abandon, job.id))
    except QueueUnavailable as error:
        _log.warning("disconnect of the client of job %s not noted: %s", job.id, error.detail)


async def _too_late_to_note(shutdown: Shutdown) -> None:
    """Return when a request of a service that stops must end."""
    await shutdown.given_up()
    await asyncio.sleep(_NOTE_SECONDS)


async def hung_up(scope: Scope, receive: Receive) -> None:
    """Return once the client of a live stream has disconnected or shut down its sending side, which such a client does
    only when it goes."""
    if (connection := connection_of(scope)) is None:
        await disconnected(receive)
    else:
        await race(disconnected(receive), connection.half_closed())


async def cut(scope: Scope, receive: Receive) -> None:
    """Cut the connection of a response that is not to be completed; return once the server knows of it.

    A response that ends before that is reported by the server as a fault of this service.
    """
    if (connection := connection_of(scope)) is not None:
        connection.abort()
        await disconnected(receive)


async def disconnected(receive: Receive) -> None:
    """Return once the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass
