"""OpenTelemetry behind the Telemetry port, and the Prometheus text of what it counted."""

from __future__ import annotations

from .aggregation import MetricFamily, RestartSafeCounters, Sample, decode_families, encode_families, summed, total
from .instruments import GAUGES, INSTRUMENTS, Instrument
from .opentelemetry import OpenTelemetry
from .prometheus import MetricsServer, exposition

__all__ = [
    "GAUGES",
    "INSTRUMENTS",
    "Instrument",
    "MetricFamily",
    "MetricsServer",
    "OpenTelemetry",
    "RestartSafeCounters",
    "Sample",
    "decode_families",
    "encode_families",
    "exposition",
    "summed",
    "total",
]
