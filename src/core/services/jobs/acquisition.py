"""What a worker takes from the queue: jobs in their turn, and those that gain nothing by waiting for it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from ...domain.job import Claim
from ...domain.routing.capacity import EntryKey
from ...domain.routing.durations import usual_duration
from ...ports.clock import Clock
from ...ports.job_queue import JobQueue
from ...ports.provider_limits import ProviderLimits
from ..providers.registry import ProviderRegistry
from ..providers.status_cache import ProviderStatusCache
from ..settings.service import SettingsService

_URGENT_INTERVAL = timedelta(milliseconds=250)
"""How often a worker looks for urgent jobs at most."""


class JobAcquisition:
    """Acquires jobs for one worker process. Every method may raise QueueUnavailable."""

    def __init__(
        self,
        queue: JobQueue,
        providers: ProviderRegistry,
        limits: ProviderLimits,
        settings: SettingsService,
        clock: Clock,
    ) -> None:
        self._queue = queue
        self._providers = providers
        self._settings = settings
        self._clock = clock
        self._status = ProviderStatusCache(limits, clock)
        self._looked_at: timedelta | None = None
        self.within_limits = False
        """Whether providers had a limit at the last acquisition: the end of a job may let another one begin."""

    async def acquire(self, worker: str, *, n: int, lease: timedelta, running: Collection[UUID]) -> list[Claim]:
        """Claim up to `n` jobs in their turn, within the limits of their providers, and none that is `running` here."""
        limits = self._providers.concurrency_limits(await self._settings.current())
        self.within_limits = bool(limits)
        return await self._queue.acquire(worker, n=n, lease=lease, limits=limits or None, running=running)

    async def acquire_urgent(self, worker: str, *, n: int, lease: timedelta) -> list[Claim]:
        """Claim up to `n` jobs that can no longer succeed, or that only need this machine because providers are busy.

        They make no provider wait. Returns nothing where the last look was a moment ago.
        """
        now = self._clock.monotonic()
        if self._looked_at is not None and now - self._looked_at < _URGENT_INTERVAL:
            return []
        self._looked_at = now
        needs = await self._needs()
        local = [provider.info.id for provider in self._providers.all() if provider.info.on_this_machine]
        return await self._queue.acquire_urgent(worker, n=n, lease=lease, needs=needs, local=local)

    async def _needs(self) -> dict[EntryKey, timedelta]:
        return {
            (provider_id, operation_id): timedelta(seconds=usual_duration(durations_ms).need)
            for provider_id, health in (await self._status.current()).items()
            for operation_id, durations_ms in health.recent_ms.items()
        }
