"""Photos that are sent again to another process than the first time (ADR 56).

The first request may still be there, with a client that has gone: its process has not noted that yet, or it has died.
So the processes that have requests of the same photo are asked, through the job, whether their clients still wait.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from ...domain.job import Job, JobSpec
from ...ports.clock import Clock
from ...ports.job_queue import JobQueue, JobSignals, PhotoHeld
from .admission import JobAdmission

_PATIENCE = timedelta(seconds=5)
"""How long a process may take to confirm that a client waits: one that is alive polls its jobs every second."""

_PATIENCE_SHARE = 4
"""At most this part of what is left of the window is waited."""

_POLL = timedelta(milliseconds=250)


class HeldPhotos:
    """Enqueues jobs; a photo whose first client has gone joins its job, whichever process has its request.

    Attributes:
        process: the name of this process, by which its jobs are held.
    """

    def __init__(self, admission: JobAdmission, queue: JobQueue, signals: JobSignals, clock: Clock) -> None:
        self.process = signals.process
        self._admission = admission
        self._queue = queue
        self._signals = signals
        self._clock = clock

    async def enqueue(self, spec: JobSpec, *, max_active: int) -> Job:
        """`JobAdmission.enqueue`, after other clients of the same photo have been asked for.

        QueueFull, QueueUnavailable.
        """
        now = self._clock.now()
        until = now + min(_PATIENCE, (spec.expires_at - now) / _PATIENCE_SHARE)
        asked: frozenset[UUID] = frozenset()
        while self._clock.now() < until:
            try:
                return await self._admission.enqueue(spec, max_active=max_active, asked=asked)
            except PhotoHeld as held:
                asked |= held.job_ids
                await self._release_abandoned(held.job_ids, until)
        return await self._admission.enqueue(spec, max_active=max_active)

    async def confirm(self, job: Job) -> None:
        """Confirm, where another process has asked, that a client of this process waits for the job."""
        if job.asked_at is not None:
            await self._queue.confirm(job.id)

    async def _release_abandoned(self, job_ids: Collection[UUID], until: datetime) -> None:
        """Note the jobs of these as abandoned for which no process confirms that a client waits."""
        with self._signals.any_change() as change:
            await self._queue.ask(job_ids)
            while (left := await self._queue.unconfirmed(job_ids)) and (now := self._clock.now()) < until:
                await change.wait(min(_POLL, until - now))
        for job_id in left:
            await self._queue.abandon(job_id)
