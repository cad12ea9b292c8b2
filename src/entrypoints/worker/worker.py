"""A worker: the job pool, webhook delivery and the heartbeat, started and stopped together."""

from __future__ import annotations

import asyncio

from ...core.services.webhooks.delivery import WebhookDelivery
from .heartbeat import Heartbeat
from .pool import WorkerPool


class Worker:
    """All that a process does which works: jobs, beside them webhooks, and telling of itself. All stop together."""

    def __init__(self, pool: WorkerPool, deliveries: WebhookDelivery, heartbeat: Heartbeat) -> None:
        self._pool = pool
        self._deliveries = deliveries
        self._heartbeat = heartbeat

    def stop(self) -> None:
        """Take nothing new; `run` returns when what is under way has ended, or after its grace."""
        self._pool.stop()
        self._deliveries.stop()

    async def run(self) -> None:
        """Work until `stop` is called. Cancellation stops at once."""
        telling = asyncio.create_task(self._heartbeat.run(self._pool))
        delivering = asyncio.create_task(self._deliveries.run())
        try:
            await self._pool.run()
            await delivering
        finally:
            delivering.cancel()
            telling.cancel()
            await asyncio.gather(delivering, telling, return_exceptions=True)
