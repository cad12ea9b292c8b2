"""Retries of a photo whose first job has timed out while its provider call goes on: they wait for that call.

A new job would be a second call to pay for. Where the call makes no picture, the retry becomes a job of its own with
what is left of its window (ADR 49).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ...domain.errors import QueueUnavailable
from ...domain.job import Job, JobSpec
from ...ports.clock import Clock
from ...ports.job_queue import JobSignals
from ...ports.repositories.job_repository import JobRepository
from .held_photos import HeldPhotos

_POLL = timedelta(seconds=1)
_FIRST_POLL = timedelta(milliseconds=50)
"""The late call may have ended before its wake-up was listened for."""


class LateCalls:
    """Enqueues jobs; waits where a late call may make their picture."""

    def __init__(self, photos: HeldPhotos, signals: JobSignals, jobs: JobRepository, clock: Clock) -> None:
        self.photos = photos
        self._signals = signals
        self._jobs = jobs
        self._clock = clock

    async def enqueue(self, spec: JobSpec, *, max_active: int, wait_until: datetime) -> Job:
        """`HeldPhotos.enqueue`, which returns an existing job that may get a late picture only at `wait_until`.

        QueueFull, QueueUnavailable.
        """
        job = await self.photos.enqueue(spec, max_active=max_active)
        while job.id != spec.id and job.may_get_late_picture(now := self._clock.now()) and now < wait_until:
            job = await self._after_late_call(job, wait_until)
            if job.result is None and self._clock.now() < wait_until:
                job = await self.photos.enqueue(spec, max_active=max_active)
        return job

    async def _after_late_call(self, job: Job, wait_until: datetime) -> Job:
        """The job when its late call has ended, or at `wait_until`."""
        pause = _FIRST_POLL
        with self._signals.finalized(job.id) as ended:
            while (now := self._clock.now()) < wait_until and job.may_get_late_picture(now):
                await ended.wait(min(wait_until - now, pause))
                pause = _POLL
                try:
                    job = await self._jobs.get(job.id)
                except QueueUnavailable:
                    continue
        return job
