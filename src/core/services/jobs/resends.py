"""Photos that are sent again while the first request of the same photo is still here (ADR 49).

A client that hangs up sends its photo again at once. Both requests are then in this process, and either may be first in
the queue: before the first has a job, or before the disconnect is noted on that job, by which the resend finds it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from ...domain.job import Job
from ...domain.media import Photo
from ...ports.clock import Clock
from ..support.concurrency import race

_PATIENCE_SHARE = 2
"""A request waits at most for this part of what is left of its window for what becomes of another one: an outage of the
database may delay that, and delays this request anyway."""


class LiveRequest:
    """A request whose photo has arrived. `is_client_gone` asks its connection; `job` is the one that answers it."""

    def __init__(self, is_client_gone: Callable[[], bool]) -> None:
        self.is_client_gone = is_client_gone
        self.job: Job | None = None
        self._job_decided = asyncio.Event()
        self._departure_noted = asyncio.Event()

    def note_job(self, job: Job) -> None:
        """Its job exists."""
        self.job = job
        self._job_decided.set()

    def note_departure(self) -> None:
        """The disconnect of its client has been noted on its job, or cannot be."""
        self._departure_noted.set()

    def end(self) -> None:
        """Nothing more becomes of it."""
        self._job_decided.set()
        self._departure_noted.set()

    async def job_decided(self) -> None:
        await self._job_decided.wait()

    async def departure_noted(self) -> None:
        await self._departure_noted.wait()


class LiveRequests:
    """The requests of this process whose photos have arrived."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._requests: defaultdict[tuple[str, str], list[LiveRequest]] = defaultdict(list)

    @asynccontextmanager
    async def request(
        self, slot_id: str, photo: Photo, is_client_gone: Callable[[], bool], *, until: datetime
    ) -> AsyncIterator[LiveRequest]:
        """A request for the length of the block, which begins when earlier ones of the same photo are no obstacle.

        One whose client has gone is waited for until that is noted on its job, so that this request joins it. A request
        whose own client has gone, or has only shut down its sending side, gets the job of an earlier one.

        `until`: the end of its window.
        """
        key = slot_id, photo.file.sha256
        earlier, mine = tuple(self._requests[key]), LiveRequest(is_client_gone)
        self._requests[key].append(mine)
        now = self._clock.now()
        patience_ends = now + max(until - now, timedelta(0)) / _PATIENCE_SHARE
        try:
            for other in earlier:
                if other.is_client_gone():
                    await race(other.departure_noted(), self._until(patience_ends))
                elif is_client_gone():
                    await race(other.job_decided(), self._until(patience_ends))
                    mine.job = mine.job or other.job
            yield mine
        finally:
            mine.end()
            self._requests[key].remove(mine)
            if not self._requests[key]:
                del self._requests[key]

    async def _until(self, moment: datetime) -> None:
        if (left := moment - self._clock.now()) > timedelta(0):
            await self._clock.sleep(left)
