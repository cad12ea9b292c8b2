"""Maintenance of jobs: deadlines that passed without a worker, guests' data that has expired, previews not fetched."""

from __future__ import annotations

from datetime import timedelta

from ...domain.guest_data import ERASED_AGAIN_AFTER
from ...ports.clock import Clock
from ...ports.job_queue import JobQueue
from ...ports.repositories.guest_data import GuestData
from ...ports.repositories.result_index import ResultIndex
from ...ports.telemetry import Telemetry
from ..maintenance.task import BATCH, MaintenanceTask, in_batches
from ..settings.service import SettingsService
from ..support.null_telemetry import NULL_TELEMETRY
from .guest_files import GuestFiles

_PREVIEW_LIFE = timedelta(minutes=5)


class JobExpiry:
    """Ends jobs at their deadline and deletes what has expired."""

    def __init__(
        self,
        queue: JobQueue,
        results: ResultIndex,
        guests: GuestData,
        files: GuestFiles,
        settings: SettingsService,
        clock: Clock,
        *,
        telemetry: Telemetry = NULL_TELEMETRY,
    ) -> None:
        self._queue = queue
        self._results = results
        self._guests = guests
        self._files = files
        self._settings = settings
        self._clock = clock
        self._telemetry = telemetry

    def tasks(self) -> list[MaintenanceTask]:
        """The tasks, the most urgent first."""
        return [
            MaintenanceTask("jobs_timed_out", lambda: in_batches(self._time_out)),
            MaintenanceTask("guests", lambda: in_batches(self._forget_guests)),
            MaintenanceTask("previews", self._delete_previews),
        ]

    async def _time_out(self) -> int:
        ended = await self._queue.release_expired(limit=BATCH)
        for job in ended:
            self._telemetry.job_ended(job.slot_id, job.source, job.failure_reason)
        for job in ended:
            await self._files.delete_photo(job)
        return len(ended)

    async def _forget_guests(self) -> int:
        now = self._clock.now()
        retention = (await self._settings.current()).result_retention
        jobs = await self._guests.due(
            now=now, ended_before=now - retention, erased_before=now - ERASED_AGAIN_AFTER, limit=BATCH
        )
        for job in jobs:
            await self._files.delete(job)
        await self._guests.forget([job.id for job in jobs], now=now)
        return len(jobs)

    async def _delete_previews(self) -> int:
        before = self._clock.now() - _PREVIEW_LIFE
        return await in_batches(lambda: self._results.clear_previews(finalized_before=before, limit=BATCH))
