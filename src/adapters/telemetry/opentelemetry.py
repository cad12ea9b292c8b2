"""The Telemetry port on OpenTelemetry's SDK. Figures are always kept; spans are made only where they are exported."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ...core.domain.connections import ConnectionEnd
from ...core.domain.costs.call_cost import MICROS_PER_USD
from ...core.domain.errors import ConfigurationError
from ...core.domain.job import FailureReason, JobSource
from ...core.domain.media import MediaKind
from ...core.domain.routing.provider_usage import CallOutcome
from ...core.domain.trace_context import IngestOutcome, Refusal
from ...core.ports.telemetry import Fact, Span
from ...core.services.support.null_telemetry import NULL_SPAN
from ..system_clock import SYSTEM_CLOCK
from . import instruments
from .aggregation import KeptExemplars, MetricFamily, families_of
from .instruments import GAUGES, INSTRUMENTS, Instrument, Kind
from .spans import Tracing

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Observation

NO_SLOT = "none"
"""The label of requests that named no slot that takes photos."""

_EXPORT_SECONDS = 3.0
"""How long one export may take, also the last one when the process stops."""

_PERIOD_SECONDS = 15.0

_carried: ContextVar[str | None] = ContextVar("photochanger_trace", default=None)
"""The trace context that came in from outside, where nothing is exported."""


class OpenTelemetry:
    """Figures and spans of this process; `otlp_endpoint` is a collector's base URL (OTLP over HTTP), None exports none.

    Importing the SDK is left to here: most commands need none of it.
    """

    def __init__(self, *, otlp_endpoint: str | None = None) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
        from opentelemetry.sdk.resources import Resource

        instance = f"{socket.gethostname()}-{os.getpid()}"
        resource = Resource.create({"service.name": "photochanger", "service.instance.id": instance})
        self._reader = InMemoryMetricReader()
        readers: list[Any] = [self._reader]
        self._exemplars = KeptExemplars()
        self._reading = threading.Lock()
        self._tracing: Tracing | None = None
        if otlp_endpoint is not None:
            _require_exporter()
            base = otlp_endpoint.rstrip("/")
            readers.append(_periodic_export(f"{base}/v1/metrics"))
            self._tracing = Tracing(resource, f"{base}/v1/traces", export_seconds=_EXPORT_SECONDS)
        views = [
            View(instrument_name=one.name, aggregation=ExplicitBucketHistogramAggregation(one.buckets))
            for one in INSTRUMENTS
            if one.kind is Kind.HISTOGRAM
        ]
        self._provider = MeterProvider(readers, resource=resource, views=views, shutdown_on_exit=False)
        meter = self._provider.get_meter("photochanger")
        self._shown: dict[str, dict[tuple[str, ...], float]] = {}
        self._swept_at: timedelta | None = None
        for gauge in GAUGES:
            meter.create_observable_gauge(gauge.name, [self._observe(gauge)], gauge.unit, gauge.help)
        counters = [one for one in INSTRUMENTS if one.kind is Kind.COUNTER]
        self._counters = {one: meter.create_counter(one.name, one.unit, one.help) for one in counters}
        histograms = [one for one in INSTRUMENTS if one.kind is Kind.HISTOGRAM]
        self._histograms = {one: meter.create_histogram(one.name, one.unit, one.help) for one in histograms}

    def span(
        self, name: str, facts: Mapping[str, Fact] | None = None, *, parent: str | None = None
    ) -> AbstractContextManager[Span]:
        if self._tracing is not None:
            return self._tracing.span(name, facts or {}, parent=parent)
        return _passed_on(parent)

    def trace(self) -> str | None:
        return _carried.get() if self._tracing is None else self._tracing.current()

    def answered(self, slot_id: str | None, outcome: IngestOutcome, *, took: timedelta) -> None:
        self._measure(instruments.INGEST_DURATION, took, slot_id=slot_id or NO_SLOT, outcome=outcome.value)

    def job_began(self, slot_id: str, *, waited: timedelta) -> None:
        self._measure(instruments.QUEUE_WAIT, waited, slot_id=slot_id)

    def job_ended(self, slot_id: str, source: JobSource, reason: FailureReason | None) -> None:
        outcome = IngestOutcome.SUCCESS.value if reason is None else reason.value
        self._count(instruments.JOBS_ENDED, 1, slot_id=slot_id, source=source.value, outcome=outcome)

    def call_ended(self, provider_id: str, verdict: CallOutcome, *, took: timedelta, call: int) -> None:
        self._measure(instruments.CALL_DURATION, took, provider_id=provider_id, verdict=verdict.value)
        if call > 1:
            self._count(instruments.RETRIES, 1, provider_id=provider_id)

    def cost_counted(self, provider_id: str, slot_id: str, usd_micros: int) -> None:
        usd = usd_micros / MICROS_PER_USD
        self._count(instruments.COST, usd, provider_id=provider_id, slot_id=slot_id)

    def media_stored(self, kind: MediaKind, size_bytes: int) -> None:
        self._count(instruments.MEDIA_STORED, size_bytes, kind=kind.value)

    def media_removed(self, kind: MediaKind, size_bytes: int) -> None:
        self._count(instruments.MEDIA_REMOVED, size_bytes, kind=kind.value)

    def swept(self, removed: Mapping[str, int]) -> None:
        self._swept_at = SYSTEM_CLOCK.monotonic()
        for what, count in removed.items():
            self._count(instruments.SWEPT, count, what=what)

    def photo_refused(self, slot_id: str, reason: Refusal) -> None:
        self._count(instruments.PHOTOS_REFUSED, 1, slot_id=slot_id, reason=reason.value)

    def connection_ended(self, reason: ConnectionEnd) -> None:
        self._count(instruments.CONNECTIONS_ENDED, 1, reason=reason.value)

    def connections_open(self, count: int, *, limit: int) -> None:
        self.show(instruments.CONNECTIONS_OPEN, {(): float(count)})
        self.show(instruments.CONNECTIONS_LIMIT, {(): float(limit)})

    def worker_replaced(self, cause: str) -> None:
        """A worker process was replaced: it `ended` by itself, or was killed because it was `silent`."""
        self._count(instruments.WORKERS_REPLACED, 1, cause=cause)

    def show(self, gauge: Instrument, values: Mapping[tuple[str, ...], float]) -> None:
        """What a gauge is now, by the values of its labels; empty takes it away until it is known again."""
        self._shown[gauge.name] = dict(values)

    def families(self) -> list[MetricFamily]:
        """All figures of this process. Takes a few milliseconds; safe from any thread."""
        with self._reading:
            return self._exemplars.put_back(families_of(self._reader.get_metrics_data()))

    def close(self) -> None:
        """Export what is left, within seconds, and stop. Blocks meanwhile."""
        if self._tracing is None:
            self._provider.shutdown()
            return
        spans = threading.Thread(target=self._tracing.close, name="last spans")  # both wait for the same collector
        spans.start()
        self._provider.shutdown(_EXPORT_SECONDS * 1000)
        spans.join()

    def _count(self, counter: Instrument, amount: float, **labels: str) -> None:
        self._counters[counter].add(amount, labels)

    def _measure(self, histogram: Instrument, took: timedelta, **labels: str) -> None:
        self._histograms[histogram].record(took.total_seconds(), labels)

    def _observe(self, gauge: Instrument) -> Any:
        from opentelemetry.metrics import Observation

        def observe(options: CallbackOptions) -> Iterable[Observation]:
            if gauge is instruments.SWEEPER_LAG:
                if self._swept_at is None:
                    return []
                return [Observation((SYSTEM_CLOCK.monotonic() - self._swept_at).total_seconds())]
            shown = self._shown.get(gauge.name, {})
            return [Observation(value, dict(zip(gauge.labels, key, strict=True))) for key, value in shown.items()]

        return observe


def _require_exporter() -> None:
    """Raise ConfigurationError without the extra `otlp`."""
    try:
        import opentelemetry.exporter.otlp.proto.http  # noqa: F401 - only whether it is there
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "PHOTOCHANGER_OTLP_ENDPOINT", 'is set, but the extra "otlp" is missing: pip install "photochanger[otlp]"'
        ) from error


def _periodic_export(endpoint: str) -> Any:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    exporter = OTLPMetricExporter(endpoint=endpoint, timeout=_EXPORT_SECONDS)
    return PeriodicExportingMetricReader(
        exporter,
        export_interval_millis=_PERIOD_SECONDS * 1000,
        export_timeout_millis=_EXPORT_SECONDS * 1000,
    )


@contextmanager
def _passed_on(parent: str | None) -> Iterator[Span]:
    """No span: only the context from outside, for the work that follows."""
    if parent is None:
        yield NULL_SPAN
        return
    token = _carried.set(parent)
    try:
        yield NULL_SPAN
    finally:
        _carried.reset(token)
