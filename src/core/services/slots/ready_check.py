"""The ready check before an event: sends a reference photo through every active slot, as a guest's photo."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta

from ...domain.errors import CheckRunning, PhotoChangerError, QueueFull, WorkerMissing
from ...domain.job import JobSource
from ...domain.media import one_chunk
from ...domain.slots.slot import Slot
from ...domain.slots.slot_check import CheckOutcome, SlotCheck, checked, without_job
from ...ports.clock import Clock
from ...ports.job_queue import JobQueue
from ...ports.job_service import JobService
from ...ports.repositories.job_log import JobLog
from ...ports.repositories.slot_repository import SlotRepository
from ...ports.workers import WorkerRegistry
from ..settings.service import SettingsService
from ..support.concurrency import TaskSet

MAX_CONCURRENCY = 3
"""The most slots checked concurrently; fewer if there are few workers, half of which are left to the guests."""

ROOM_POLL = timedelta(milliseconds=500)


class ReadyCheck:
    """Checks slots; at most one check per process at a time."""

    def __init__(
        self,
        *,
        jobs: JobService,
        log: JobLog,
        queue: JobQueue,
        slots: SlotRepository,
        workers: WorkerRegistry,
        settings: SettingsService,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._log = log
        self._queue = queue
        self._slots = slots
        self._workers = workers
        self._settings = settings
        self._clock = clock
        self._running = False

    async def active_slots(self) -> list[Slot]:
        """The slots that a check covers. QueueUnavailable."""
        return [slot for slot in await self._slots.all() if slot.active]

    def require_idle(self) -> None:
        """CheckRunning while a check is running in this process."""
        if self._running:
            raise CheckRunning("A ready check is running. Wait for its end.")

    @asynccontextmanager
    async def checking(self, slots: Sequence[Slot], photo: bytes) -> AsyncIterator[AsyncIterator[SlotCheck]]:
        """The outcome of each slot, as soon as it is known. CheckRunning.

        At most half of the free capacity of the queue is used; a slot without capacity within a sync window is not
        checked. Leaving the block early checks no further slot; created jobs run to their own end.
        """
        self.require_idle()
        self._running = True
        try:
            async with aclosing(self._run(deque(slots), photo)) as found:
                yield found
        finally:
            self._running = False

    async def _run(self, waiting: deque[Slot], photo: bytes) -> AsyncGenerator[SlotCheck]:
        tasks = TaskSet()
        running: set[asyncio.Task[SlotCheck]] = set()
        no_room_since = self._clock.monotonic()
        try:
            while waiting or running:
                try:
                    while waiting and await self._has_room(running=len(running)):
                        slot = waiting.popleft()
                        running.add(tasks.start(self._check(slot, photo), name=f"ready check of {slot.id}"))
                    if not running and self._clock.monotonic() - no_room_since >= await self._timeout():
                        raise QueueFull("The queue has no capacity for a test job.", retry_after=60)
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
            await tasks.cancel()

    async def _has_room(self, *, running: int) -> bool:
        """Whether one more slot may be checked now. QueueUnavailable, WorkerMissing."""
        permits = sum(worker.report.concurrency for worker in await self._workers.all() if not worker.silent)
        if not permits:
            raise WorkerMissing("No worker heartbeat in the last 15 s; jobs would not be processed.")
        free = (await self._settings.current()).max_active_jobs - (await self._queue.depth()).active
        return running < min(MAX_CONCURRENCY, max(permits // 2, 1), free // 2)

    async def _timeout(self) -> timedelta:
        return (await self._settings.current()).sync_response

    async def _check(self, slot: Slot, photo: bytes) -> SlotCheck:
        if not slot.route.entries:
            detail = "The route has no entry."
            return without_job(slot, CheckOutcome.FAILED, code="slot_disabled", detail=detail)
        try:
            received = await self._jobs.receive_photo(slot, one_chunk(photo))
            job = await self._jobs.create(slot, received, source=JobSource.TEST)
            job = await self._jobs.wait(job.id, known=job)
            return checked(slot, job, await self._log.entries(job.id))
        except PhotoChangerError as error:
            return without_job(slot, CheckOutcome.FAILED, code=error.code, detail=error.detail)
