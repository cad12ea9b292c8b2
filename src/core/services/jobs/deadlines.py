"""The end of jobs at their deadline where no request and no worker sees to it, in every process (SPEC §3.8)."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from datetime import timedelta

from ...domain.errors import PhotoChangerError
from ...domain.job import Job
from ...ports.clock import Clock
from ...ports.job_queue import JobQueue
from ...ports.telemetry import Telemetry
from ..maintenance.task import BATCH, in_batches
from ..support.concurrency import race
from ..support.null_telemetry import NULL_TELEMETRY
from .guest_files import GuestFiles

_log = logging.getLogger("photochanger.deadlines")

INTERVAL = timedelta(seconds=3)
"""How often overdue jobs are looked for: well below the ten seconds in which they must end."""

_MAX_PHOTOS = 1000
"""How many photos of ended jobs may wait for their deletion; the others are left to the sweeper as orphans."""


class JobDeadlines:
    """Ends overdue jobs. Safe to run in several processes at the same time: each job ends in one of them.

    The work of the sweeper does not delay it, and neither does a media store that hangs: photos are deleted
    meanwhile.
    """

    def __init__(
        self, queue: JobQueue, files: GuestFiles, clock: Clock, *, telemetry: Telemetry = NULL_TELEMETRY
    ) -> None:
        self._queue = queue
        self._files = files
        self._clock = clock
        self._telemetry = telemetry
        self._photos: deque[Job] = deque(maxlen=_MAX_PHOTOS)
        self._has_photos = asyncio.Event()

    async def run(self) -> None:
        """End overdue jobs now and every few seconds, until cancelled. Outages are logged and waited out."""
        await race(self._end_jobs(), self._delete_photos())

    async def end_overdue(self) -> int:
        """End the jobs that are overdue now, and delete their photos; returns how many.

        QueueUnavailable, StorageUnavailable.
        """
        return await in_batches(self._end_batch_and_photos)

    async def _end_jobs(self) -> None:
        while True:
            try:
                while ended := await self._end_batch():
                    self._photos.extend(ended)
                    self._has_photos.set()
                    _log.info("%d overdue jobs ended", len(ended))
            except PhotoChangerError as error:
                _log.warning("overdue jobs could not be ended: %s", error.detail)
            await self._clock.sleep(INTERVAL)

    async def _end_batch(self) -> list[Job]:
        ended = await self._queue.release_expired(limit=BATCH)
        for job in ended:
            self._telemetry.job_ended(job.slot_id, job.source, job.failure_reason)
        return ended

    async def _end_batch_and_photos(self) -> int:
        ended = await self._end_batch()
        for job in ended:
            await self._files.delete_photo(job)
        return len(ended)

    async def _delete_photos(self) -> None:
        while True:
            self._has_photos.clear()
            while self._photos:
                job = self._photos.popleft()
                try:
                    await self._files.delete_photo(job)
                except PhotoChangerError as error:
                    _log.warning("photo of job %s not deleted, left to the sweeper: %s", job.id, error.detail)
            await self._has_photos.wait()
