"""Maintenance of jobs: overdue ones, and guests' data that has expired."""

from __future__ import annotations

from ...domain.guest_data import ERASED_AGAIN_AFTER
from ...ports.clock import Clock
from ...ports.repositories.guest_data import GuestData
from ..maintenance.task import BATCH, Batch, MaintenanceTask, in_shared_batches
from ..settings.service import SettingsService
from .deadlines import JobDeadlines
from .guest_files import GuestFiles


class JobExpiry:
    """Deletes what has expired; also ends overdue jobs, for a sweep while no service runs."""

    def __init__(
        self,
        deadlines: JobDeadlines,
        guests: GuestData,
        files: GuestFiles,
        settings: SettingsService,
        clock: Clock,
    ) -> None:
        self._deadlines = deadlines
        self._guests = guests
        self._files = files
        self._settings = settings
        self._clock = clock

    def tasks(self) -> list[MaintenanceTask]:
        """The tasks, the most urgent first."""
        return [
            MaintenanceTask("jobs_timed_out", self._deadlines.end_overdue),
            MaintenanceTask("guests", lambda: in_shared_batches(self._forget_guests)),
        ]

    async def _forget_guests(self) -> Batch:
        now = self._clock.now()
        retention = (await self._settings.current()).result_retention
        jobs = await self._guests.due(
            now=now, ended_before=now - retention, erased_before=now - ERASED_AGAIN_AFTER, limit=BATCH
        )
        for job in jobs:
            await self._files.delete(job)
        return Batch(len(jobs), await self._guests.forget([job.id for job in jobs], now=now))
