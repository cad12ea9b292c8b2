"""Maintenance of webhooks: old deliveries are deleted."""

from __future__ import annotations

from ...domain.webhook import DEAD_LIFE, DELIVERED_LIFE
from ...ports.clock import Clock
from ...ports.webhooks import WebhookOutbox
from ..maintenance.task import BATCH, MaintenanceTask, in_batches


class DeliveryRetention:
    """Deletes ended deliveries after their retention."""

    def __init__(self, outbox: WebhookOutbox, clock: Clock) -> None:
        self._outbox = outbox
        self._clock = clock

    def tasks(self) -> list[MaintenanceTask]:
        return [MaintenanceTask("webhook_deliveries", self._delete)]

    async def _delete(self) -> int:
        now = self._clock.now()
        delivered_before, dead_before = now - DELIVERED_LIFE, now - DEAD_LIFE
        return await in_batches(
            lambda: self._outbox.prune(delivered_before=delivered_before, dead_before=dead_before, limit=BATCH)
        )
