"""The check before an event: a reference photo through every active slot, by the very way that guests' photos go."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta

from ...domain.errors import (
    CheckRunning,
    PhotoChangerError,
    QueueFull,
    WorkerMissing,
)
from ...domain.job import JobSource
from ...domain.media import one_chunk
from ...domain.slot import Slot
from ...domain.slot_check import (
    CheckOutcome,
    SlotCheck,
    checked,
    without_job,
)
from ...ports.clock import Clock
from ...ports.job_queue import JobQueue
from ...ports.job_service import JobService
from ...ports.slot_repository import SlotRepository
from ...ports.workers import WorkerRegistry
from ..settings.service import SettingsService

MAX_CONCURRENCY = 3
"""How many slots are tried at once at most; fewer where there are few workers, half of which are the guests'."""

ROOM_POLL = timedelta(milliseconds=500)


class ReadyCheck:
    """Tries slots. One check at a time in each process."""

    def __init__(
        self,
        *,
        jobs: JobService,
        queue: JobQueue,
        slots: SlotRepository,
        workers: WorkerRegistry,
        settings: SettingsService,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._queue = queue
        self._slots = slots
        self._workers = workers
        self._settings = settings
        self._clock = clock
        self._running = False

    async def active_slots(self) -> list[Slot]:
        """The slots that a check tries. QueueUnavailable."""
        return [slot for slot in await self._slots.all() if slot.active]

    def require_idle(self) -> None:
        """CheckRunning while a check is under way in this process."""
        if self._running:
            raise CheckRunning("A readiness check is under way; wait for its end.")

    @asynccontextmanager
    async def checking(self, slots: Sequence[Slot], photo: bytes) -> AsyncIterator[AsyncIterator[SlotCheck]]:
        """What is found of each slot, as it is found. CheckRunning.

        Never more than half of the free places in the queue are taken; a slot for which there is no room within a sync
        window is not tried. Leaving early tries no further slot; jobs that were made go on to their own end.
        """
        self.require_idle()
        self._running = True
        try:
            async with aclosing(self._run(deque(slots), photo)) as found:
                yield found
        finally:
            self._running = False

    async def _run(self, waiting: deque[Slot], photo: bytes) -> AsyncGenerator[SlotCheck]:
        running: set[asyncio.Task[SlotCheck]] = set()
        no_room_since = self._clock.monotonic()
        try:
            while waiting or running:
                try:
                    while waiting and await self._has_room(running=len(running)):
                        running.add(asyncio.ensure_future(self._check(waiting.popleft(), photo)))
                    if not running and self._clock.monotonic() - no_room_since >= await self._patience():
                        raise QueueFull("There was no room for a test beside the guests' photos.", retry_after=60)
                except PhotoChangerError as error:
                    for slot in waiting:
                        yield without_job(slot, CheckOutcome.NOT_RUN, code=error.code, detail=error.detail)
                    waiting.clear()
                if running:
                    done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        yield task.result()
                    no_room_since = self._clock.monotonic()
                elif waiting:
                    await self._clock.sleep(ROOM_POLL)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _has_room(self, *, running: int) -> bool:
        """Whether one more may be tried beside those that are. QueueUnavailable, WorkerMissing."""
        places = sum(seen.report.concurrency for seen in await self._workers.all() if not seen.silent)
        if not places:
            raise WorkerMissing("No worker has told of itself lately; nobody would work on a photo.")
        free = (await self._settings.current()).max_active_jobs - (await self._queue.depth()).active
        return running < min(MAX_CONCURRENCY, max(places // 2, 1), free // 2)

    async def _patience(self) -> timedelta:
        return (await self._settings.current()).sync_response

    async def _check(self, slot: Slot, photo: bytes) -> SlotCheck:
        if not slot.route.entries:
            detail = "The route has no entry."
            return without_job(slot, CheckOutcome.FAILED, code="slot_disabled", detail=detail)
        try:
            received = await self._jobs.receive_photo(slot, one_chunk(photo))
            job = await self._jobs.create(slot, received, source=JobSource.TEST)
            job = await self._jobs.wait(job.id, known=job)
            return checked(slot, job, await self._jobs.logs(job.id))
        except PhotoChangerError as error:
            return without_job(slot, CheckOutcome.FAILED, code=error.code, detail=error.detail)
