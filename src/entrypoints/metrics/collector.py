"""The content of `/metrics`: the counters of this process and its workers, and the state of queue, workers, circuit
breakers and media store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from ...adapters.telemetry import MetricFamily, OpenTelemetry, exposition, summed
from ...adapters.telemetry.instruments import MEDIA_BYTES, MEDIA_FLOOR, MEDIA_FREE
from ...core.domain.errors import PhotoChangerError
from ...core.ports.clock import Clock
from ...core.ports.repositories.file_records import OwnedFiles
from ...core.services.media.disk_space import DiskSpace
from ...core.services.support.concurrency import Supervisor
from .database_gauges import GAUGES as DATABASE_GAUGES
from .database_gauges import DatabaseGauges

_log = logging.getLogger("photochanger.metrics")

COLLECT_INTERVAL = timedelta(seconds=15)
"""How often gauges are updated for exporters that push."""

_MAX_AGE = timedelta(seconds=1)
"""Gauges of at most this age serve further scrapes: scraping is public and must not load the database."""

_COLLECT_TIMEOUT = timedelta(seconds=2)

MEASURE_INTERVAL = timedelta(seconds=15)
"""How often the sizes of files are summed up, at most."""

_MEASURE_SHARE = 50
"""The database sums for at most this fraction of the time: with millions of results it takes seconds."""


class MetricsCollector:
    """Collects the metrics of this process and of those added by `include`."""

    def __init__(
        self,
        telemetry: OpenTelemetry,
        clock: Clock,
        *,
        database: DatabaseGauges,
        files: OwnedFiles,
        space: DiskSpace,
    ) -> None:
        self._telemetry = telemetry
        self._clock = clock
        self._database = database
        self._files = files
        self._space = space
        self._others: list[Callable[[], Sequence[MetricFamily]]] = []
        self._collected_at: timedelta | None = None
        self._collecting = asyncio.Lock()

    def include(self, families: Callable[[], Sequence[MetricFamily]]) -> None:
        """Add the metrics of another process."""
        self._others.append(families)

    async def text(self, accept: str) -> tuple[bytes, str]:
        """The text and its content type, by the Accept header. Gauges that are unavailable now are left out."""
        await self.collect()
        return await asyncio.to_thread(lambda: exposition(self._families(), accept))

    @asynccontextmanager
    async def kept_up(self, supervisor: Supervisor) -> AsyncIterator[None]:
        """Sum up the media store and collect everything else, now and regularly, while the block lasts."""
        async with (
            supervisor.supervised(self._measure_regularly(), name="media store measurement"),
            supervisor.supervised(self._collect_regularly(), name="metrics collection"),
        ):
            yield

    async def collect(self) -> None:
        """Update the gauges of queue, workers, circuit breakers, budgets and disk space."""
        async with self._collecting:
            now = self._clock.monotonic()
            if self._collected_at is None or now - self._collected_at >= _MAX_AGE:
                await asyncio.gather(self._collect_database(), self._collect_disk_space())
                self._collected_at = self._clock.monotonic()

    async def measure(self) -> None:
        """Update the gauge of the files' sizes, from the rows that own them. QueueUnavailable."""
        sums = await self._files.bytes_by_kind()
        self._telemetry.show(MEDIA_BYTES, {(kind.value,): float(size_bytes) for kind, size_bytes in sums.items()})

    async def _collect_database(self) -> None:
        try:
            async with asyncio.timeout(_COLLECT_TIMEOUT.total_seconds()):
                values = await self._database.read()
        except (PhotoChangerError, TimeoutError) as error:
            _log.warning("metrics of queue, workers, circuit breakers and budgets missing: %s", str(error) or "timeout")
            values = {}
        for gauge in DATABASE_GAUGES:
            self._telemetry.show(gauge, values.get(gauge, {}))

    async def _collect_disk_space(self) -> None:
        try:
            async with asyncio.timeout(_COLLECT_TIMEOUT.total_seconds()):
                space = await self._space.room()
        except (PhotoChangerError, TimeoutError) as error:
            _log.warning("metrics of the disk space missing: %s", str(error) or "timeout")
            self._telemetry.show(MEDIA_FREE, {})
            return
        self._telemetry.show(MEDIA_FREE, {} if space.free_bytes is None else {(): float(space.free_bytes)})
        self._telemetry.show(MEDIA_FLOOR, {(): float(space.floor_bytes)})

    def _families(self) -> list[MetricFamily]:
        return summed(self._telemetry.families(), *(families() for families in self._others))

    async def _collect_regularly(self) -> None:
        while True:
            await self.collect()
            await self._clock.sleep(COLLECT_INTERVAL)

    async def _measure_regularly(self) -> None:
        while True:
            began = self._clock.monotonic()
            try:
                await self.measure()
            except PhotoChangerError as error:
                _log.warning("measuring the media store failed: %s", error.detail)
            await self._clock.sleep(max(MEASURE_INTERVAL, _MEASURE_SHARE * (self._clock.monotonic() - began)))
