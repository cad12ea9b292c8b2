"""The end of a job as its worker notices it: deadline, cancellation, or another worker."""

from __future__ import annotations

from ...domain.errors import JobNotFound, QueueUnavailable
from ...domain.job import Job
from ...ports.clock import Clock
from ...ports.job_queue import JobSignals
from ...ports.repositories.job_repository import JobRepository
from .service import POLL


class JobEndWatch:
    """Watches a job that is being worked on."""

    def __init__(self, jobs: JobRepository, signals: JobSignals, clock: Clock) -> None:
        self._jobs = jobs
        self._signals = signals
        self._clock = clock

    async def until_ended(self, job: Job) -> None:
        """Return once the job has ended. The signal is a hint; the state of the job decides."""
        with self._signals.finalized(job.id) as signal:
            while True:
                if not await signal.wait(POLL) and self._clock.now() < job.expires_at:
                    continue
                try:
                    if (await self._jobs.get(job.id)).state.finalized:
                        return
                except JobNotFound:
                    return
                except QueueUnavailable:
                    await self._clock.sleep(POLL)
