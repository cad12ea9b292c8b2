"""Maintenance of jobs: deadlines that passed without a worker, expired results, previews that were not fetched."""

from __future__ import annotations

from datetime import timedelta

from ...domain.result_files import photo_key, preview_key
from ...ports.clock import Clock
from ...ports.job_queue import JobQueue
from ...ports.media_store import MediaStore
from ...ports.repositories.result_index import ResultIndex
from ...ports.telemetry import Telemetry
from ..maintenance.task import BATCH, MaintenanceTask, in_batches
from ..support.null_telemetry import NULL_TELEMETRY

_PREVIEW_LIFE = timedelta(minutes=5)


class JobExpiry:
    """Ends jobs at their deadline and deletes what has expired."""

    def __init__(
        self,
        queue: JobQueue,
        results: ResultIndex,
        store: MediaStore,
        clock: Clock,
        *,
        telemetry: Telemetry = NULL_TELEMETRY,
    ) -> None:
        self._queue = queue
        self._results = results
        self._store = store
        self._clock = clock
        self._telemetry = telemetry

    def tasks(self) -> list[MaintenanceTask]:
        """The tasks, the most urgent first."""
        return [
            MaintenanceTask("jobs_timed_out", lambda: in_batches(self._time_out)),
            MaintenanceTask("results", lambda: in_batches(self._delete_results)),
            MaintenanceTask("previews", self._delete_previews),
        ]

    async def _time_out(self) -> int:
        ended = await self._queue.release_expired(limit=BATCH)
        for job in ended:
            self._telemetry.job_ended(job.slot_id, job.source, job.failure_reason)
        for job in ended:
            await self._store.delete(job.photo.file.key)
        return len(ended)

    async def _delete_results(self) -> int:
        now = self._clock.now()
        jobs = await self._results.expired(now=now, limit=BATCH)
        for job in jobs:
            if job.result is not None:
                await self._store.delete(job.result.file.key)
                await self._store.delete(preview_key(job.result.file.key))
                await self._store.delete(photo_key(job.result.file.key))
        await self._results.mark_purged([job.id for job in jobs], now=now)
        return len(jobs)

    async def _delete_previews(self) -> int:
        before = self._clock.now() - _PREVIEW_LIFE
        return await in_batches(lambda: self._results.clear_previews(finalized_before=before, limit=BATCH))
