"""What `/metrics` tells: the counts of this process and its workers, and how queue, workers, breakers and media store
stand."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from ...adapters.telemetry import MetricFamily, OpenTelemetry, exposition, summed, total
from ...adapters.telemetry.instruments import (
    BREAKER,
    JOBS_ACTIVE,
    JOBS_LIMIT,
    MEDIA_BYTES,
    MEDIA_FLOOR,
    MEDIA_FREE,
    MEDIA_REMOVED,
    MEDIA_STORED,
    WORKERS_ALIVE,
)
from ...core.domain.errors import PhotoChangerError
from ...core.domain.media import MediaKind
from ...core.domain.provider_usage import Breaker
from ...core.ports.clock import Clock
from ...core.ports.job_queue import JobQueue
from ...core.ports.media_store import MediaStore
from ...core.ports.provider_limits import ProviderLimits
from ...core.ports.workers import WorkerRegistry
from ...core.services.media.disk_space import DiskSpace
from ...core.services.settings.service import SettingsService

_log = logging.getLogger("photochanger.metrics")

LOOK_EVERY = timedelta(seconds=15)
"""How often everything is looked at that is not counted, for those to whom figures are exported."""

_FRESH = timedelta(seconds=1)
"""A look so young serves further scrapes: anybody may scrape, and the database must not feel it."""

_COLLECT_TIMEOUT = timedelta(seconds=2)
_FROM_DATABASE = (JOBS_ACTIVE, JOBS_LIMIT, WORKERS_ALIVE, BREAKER)
MEASURE_EVERY = timedelta(minutes=15)


class MetricsCollector:
    """The figures as one page. `include` adds processes that tell theirs to this one."""

    def __init__(
        self,
        telemetry: OpenTelemetry,
        clock: Clock,
        *,
        queue: JobQueue,
        workers: WorkerRegistry,
        limits: ProviderLimits,
        settings: SettingsService,
        store: MediaStore,
        space: DiskSpace,
    ) -> None:
        self._telemetry = telemetry
        self._clock = clock
        self._queue = queue
        self._workers = workers
        self._limits = limits
        self._settings = settings
        self._store = store
        self._space = space
        self._others: list[Callable[[], Sequence[MetricFamily]]] = []
        self._looked_at: timedelta | None = None
        self._looking = asyncio.Lock()
        self._measured: dict[str, float] = {}

    def include(self, families: Callable[[], Sequence[MetricFamily]]) -> None:
        """Add what another process has counted."""
        self._others.append(families)

    async def text(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type, by the Accept header. Figures that cannot be had now are left out."""
        await self.collect()
        return await asyncio.to_thread(lambda: exposition(self._families(), accept))

    @asynccontextmanager
    async def kept_up(self) -> AsyncIterator[None]:
        """Measure the media store and look at everything else, now and from time to time, while the block lasts."""
        tasks = [asyncio.create_task(self._keep_measured()), asyncio.create_task(self._keep_looking())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def collect(self) -> None:
        """See how queue, workers, breakers and media store stand."""
        async with self._looking:
            now = self._clock.monotonic()
            if self._looked_at is None or now - self._looked_at >= _FRESH:
                await asyncio.gather(self._look_at_database(), self._look_at_room())
                self._looked_at = self._clock.monotonic()
            self._show_media()

    async def measure(self) -> None:
        """Measure the media store file by file. StorageUnavailable."""
        for kind in MediaKind:
            moved = self._moved().get(kind, 0.0)  # what comes or goes meanwhile may count twice, until the next time
            self._measured[kind] = await self._store.bytes_of(kind) - moved

    async def _look_at_database(self) -> None:
        try:
            async with asyncio.timeout(_COLLECT_TIMEOUT.total_seconds()):
                depth = await self._queue.depth()
                workers = await self._workers.all()
                standings = await self._limits.standings()
                settings = await self._settings.current()
        except (PhotoChangerError, TimeoutError) as error:
            _log.warning("queue, workers and breakers are missing in the figures: %s", error or "no answer in time")
            for gauge in _FROM_DATABASE:
                self._telemetry.show(gauge, {})
            return
        active: dict[tuple[str, ...], float] = {
            ("pending",): float(depth.pending),
            ("processing",): float(depth.processing),
        }
        self._telemetry.show(JOBS_ACTIVE, active)
        self._telemetry.show(JOBS_LIMIT, {(): float(settings.max_active_jobs)})
        self._telemetry.show(WORKERS_ALIVE, {(): float(sum(not worker.silent for worker in workers))})
        states: dict[tuple[str, ...], float] = {
            (provider_id, state.value): float(standing.breaker is state)
            for provider_id, standing in standings.items()
            for state in Breaker
        }
        self._telemetry.show(BREAKER, states)

    async def _look_at_room(self) -> None:
        try:
            async with asyncio.timeout(_COLLECT_TIMEOUT.total_seconds()):
                room = await self._space.room()
        except (PhotoChangerError, TimeoutError) as error:
            _log.warning("the free space is missing in the figures: %s", error or "no answer in time")
            self._telemetry.show(MEDIA_FREE, {})
            return
        self._telemetry.show(MEDIA_FREE, {} if room.free_bytes is None else {(): float(room.free_bytes)})
        self._telemetry.show(MEDIA_FLOOR, {(): float(room.floor_bytes)})

    def _show_media(self) -> None:
        moved = self._moved()
        held: dict[tuple[str, ...], float] = {
            (kind,): max(measured + moved.get(kind, 0.0), 0.0) for kind, measured in self._measured.items()
        }
        self._telemetry.show(MEDIA_BYTES, held)

    def _moved(self) -> dict[str, float]:
        """Bytes written less bytes removed since the counters began, by kind."""
        families = self._families()
        stored = total(families, MEDIA_STORED.prometheus_name, "kind")
        removed = total(families, MEDIA_REMOVED.prometheus_name, "kind")
        return {kind: stored.get(kind, 0.0) - removed.get(kind, 0.0) for kind in stored.keys() | removed.keys()}

    def _families(self) -> list[MetricFamily]:
        return summed(self._telemetry.families(), *(families() for families in self._others))

    async def _keep_looking(self) -> None:
        while True:
            await self.collect()
            await self._clock.sleep(LOOK_EVERY)

    async def _keep_measured(self) -> None:
        while True:
            try:
                await self.measure()
            except PhotoChangerError as error:
                _log.warning("the media store could not be measured: %s", error.detail)
            await self._clock.sleep(MEASURE_EVERY)
