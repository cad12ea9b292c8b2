"""The wiring of the sweeper: which subjects have something to delete."""

from __future__ import annotations

from functools import partial

from dishka import Provider, Scope, provide

from ..core.domain.worker import FORGOTTEN_AFTER
from ..core.ports.clock import Clock
from ..core.ports.telemetry import Telemetry
from ..core.ports.workers import WorkerRegistry
from ..core.services.auth.retention import AuthRetention
from ..core.services.jobs.deadlines import JobDeadlines
from ..core.services.jobs.expiry import JobExpiry
from ..core.services.maintenance.orphans import OrphanFiles
from ..core.services.maintenance.sweeper import Sweeper
from ..core.services.maintenance.task import MaintenanceTask
from ..core.services.media.expiry import MediaExpiry
from ..core.services.slots.last_request import LastRequestLog
from ..core.services.stats.retention import Retention
from ..core.services.webhooks.retention import DeliveryRetention

Tasks = tuple[MaintenanceTask, ...]


class Maintenance(Provider):
    """The sweeper with the tasks of all subjects."""

    scope = Scope.APP

    deadlines = provide(JobDeadlines)
    jobs = provide(JobExpiry)
    media = provide(MediaExpiry)
    auth = provide(AuthRetention)
    deliveries = provide(DeliveryRetention)
    orphans = provide(OrphanFiles)

    @provide
    def tasks(
        self,
        jobs: JobExpiry,
        media: MediaExpiry,
        auth: AuthRetention,
        deliveries: DeliveryRetention,
        workers: WorkerRegistry,
        last_requests: LastRequestLog,
        history: Retention,
    ) -> Tasks:
        return (
            *jobs.tasks(),
            *media.tasks(),
            *auth.tasks(),
            *deliveries.tasks(),
            MaintenanceTask("workers", partial(workers.prune, silent_for=FORGOTTEN_AFTER)),
            MaintenanceTask("last_requests", last_requests.prune),
            MaintenanceTask("old_jobs", history.run),
        )

    @provide
    def sweeper(self, tasks: Tasks, orphans: OrphanFiles, clock: Clock, telemetry: Telemetry) -> Sweeper:
        return Sweeper(tasks, orphans, clock, telemetry=telemetry)
