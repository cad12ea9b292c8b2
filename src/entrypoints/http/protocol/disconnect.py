"""A request waits for its job, and notices when its client hangs up."""

from __future__ import annotations

import asyncio
from datetime import datetime

from litestar.types import Receive

from ....core.domain.job import Job
from ..dependencies import HttpServices
from .multipart import ClientGone


async def wait_for(receive: Receive, services: HttpServices, job: Job, until: datetime | None) -> Job:
    """The job at its end (or at `until`). A client that hangs up is noted, and its job goes on. ClientGone."""
    if job.state.finalized or (until is not None and until <= services.clock.now()):
        return job
    waiting = asyncio.ensure_future(services.jobs.wait(job.id, until=until, known=job))
    hung_up = asyncio.ensure_future(hang_up(receive))
    try:
        await asyncio.wait({waiting, hung_up}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
        await services.queue.abandon(job.id)
        raise ClientGone
    finally:
        for task in (waiting, hung_up):
            task.cancel()
        await asyncio.gather(waiting, hung_up, return_exceptions=True)


async def hang_up(receive: Receive) -> None:
    """Return once the client has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass
