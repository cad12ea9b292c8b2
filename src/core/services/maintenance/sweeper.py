"""The sweeper: runs the maintenance tasks on a schedule. Safe to run in several processes at the same time."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import count

from ...domain.deadlines import ORPHAN_GRACE
from ...domain.errors import PhotoChangerError, QueueUnavailable
from ...domain.media import MediaKind
from ...ports.clock import Clock
from ...ports.telemetry import Telemetry
from ..support.null_telemetry import NULL_TELEMETRY
from .orphans import OrphanFiles
from .task import MaintenanceTask

_log = logging.getLogger("photochanger.sweeper")

INTERVAL = timedelta(seconds=60)
_ORPHANS_EVERY_ROUNDS = 15

SweepReport = Counter[str]
"""How much a sweep deleted or ended, by the names of its tasks."""


class Sweeper:
    """Deletes what has expired (SPEC §3.7). Methods may raise QueueUnavailable and StorageUnavailable."""

    def __init__(
        self,
        tasks: Sequence[MaintenanceTask],
        orphans: OrphanFiles,
        clock: Clock,
        *,
        telemetry: Telemetry = NULL_TELEMETRY,
    ) -> None:
        self._tasks = {task.name: task for task in tasks}
        self._orphans = orphans
        self._clock = clock
        self._telemetry = telemetry

    async def run(self) -> None:
        """Sweep now and every minute, orphans every 15 minutes, until cancelled. Outages are logged and waited out."""
        for round_number in count():
            try:
                report = await self.sweep_expired()
                if round_number % _ORPHANS_EVERY_ROUNDS == 0:
                    report.update(await self.sweep_orphans())
                self._telemetry.swept(report)
                if deleted := +report:
                    _log.info("sweep done: %s", dict(deleted))
            except PhotoChangerError as error:
                _log.warning("sweep incomplete: %s", error.detail)
            await self._clock.sleep(INTERVAL)

    async def sweep_expired(self) -> SweepReport:
        """Run all tasks. A task that fails does not stop the others, unless the queue is unavailable: guests' photos
        must not stay because of a defect elsewhere. The error is raised at the end, an unforeseen one first."""
        report = SweepReport()
        failed: Exception | None = None
        for task in self._tasks.values():
            try:
                report[task.name] = await task.run()
            except QueueUnavailable as error:
                failed = failed or error
                break
            except PhotoChangerError as error:
                _log.warning("maintenance task %s failed: %s", task.name, error.detail)
                failed = failed or error
            except Exception as error:
                _log.exception("maintenance task %s failed: unforeseen error", task.name)
                failed = error if failed is None or isinstance(failed, PhotoChangerError) else failed
        if failed is not None:
            raise failed
        return report

    async def sweep_media_objects(self) -> SweepReport:
        """Delete expired media objects, and orphaned files of media objects."""
        return SweepReport(
            media_objects=await self._tasks["media_objects"].run(),
            orphans=await self._orphans.delete([MediaKind.MEDIA]),
        )

    async def sweep_orphans(self, *, grace: timedelta = ORPHAN_GRACE) -> SweepReport:
        """Delete files older than `grace` that have no owner."""
        return SweepReport(
            orphans=await self._orphans.delete(grace=grace),
            partial_files=await self._orphans.delete_partial(grace=grace),
        )
