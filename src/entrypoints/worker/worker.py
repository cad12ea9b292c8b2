"""A worker: the job pool, webhook delivery and the heartbeat, started and stopped together."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from ...core.services.support.concurrency import Supervisor
from ...core.services.webhooks.delivery import WebhookDelivery
from .heartbeat import Heartbeat
from .pool import WorkerPool


class Worker:
    """All background work on jobs in one process."""

    def __init__(self, pool: WorkerPool, deliveries: WebhookDelivery, heartbeat: Heartbeat) -> None:
        self._pool = pool
        self._deliveries = deliveries
        self._heartbeat = heartbeat

    def stop(self, grace: timedelta | None = None) -> None:
        """Take no more work; `run` returns when running work has ended, or after its grace.

        `grace` may be shortened by a further call; without it, each kind of work has its own.
        """
        self._pool.stop(grace)
        self._deliveries.stop(grace)

    async def run(self) -> None:
        """Work until `stop` is called. Cancellation stops immediately, and so does an unforeseen error in any part,
        which is raised."""
        supervisor = Supervisor()
        async with (
            supervisor.guard(),
            supervisor.supervised(self._heartbeat.run(self._pool), name="worker heartbeat"),
            supervisor.supervised(self._deliveries.run(), name="webhook delivery", stop=self._deliveries.stop),
            supervisor.supervised(self._pool.run(), name="job pool") as jobs,
        ):
            await asyncio.wait([jobs])
