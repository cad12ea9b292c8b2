"""What a process has counted, as plain values: they travel between processes as JSON and can be added up."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from .instruments import INSTRUMENTS, Kind

_ORDER = {instrument.prometheus_name: place for place, instrument in enumerate(INSTRUMENTS)}


class Exemplar(msgspec.Struct, frozen=True):
    """One measurement of a histogram, and the trace in which it was made. `at` is in seconds since 1970."""

    value: float
    at: float
    trace_id: str
    span_id: str


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a figure under one set of labels.

    Attributes:
        value: of a counter or gauge; of a histogram the sum of what was measured.
        counts: of a histogram, for each bucket how many fell into it; the last one has no upper bound.
    """

    labels: dict[str, str] = {}
    value: float = 0.0
    counts: tuple[int, ...] = ()
    exemplars: tuple[Exemplar, ...] = ()


class MetricFamily(msgspec.Struct, frozen=True, kw_only=True):
    """A figure with all its series. `name` is Prometheus', `bounds` are the upper bounds of a histogram's buckets."""

    name: str
    kind: Kind
    help: str
    bounds: tuple[float, ...] = ()
    series: tuple[Sample, ...] = ()


_decoder = msgspec.json.Decoder(list[MetricFamily])


def encode_families(families: Sequence[MetricFamily]) -> bytes:
    """As one line of JSON."""
    return msgspec.json.encode(families)


def decode_families(line: bytes) -> list[MetricFamily]:
    """What `encode_families` made; ValueError for anything else."""
    return _decoder.decode(line)


def summed(*of_processes: Iterable[MetricFamily]) -> list[MetricFamily]:
    """What several processes have counted, together. Where a histogram's buckets differ, the first ones hold."""
    families: dict[str, MetricFamily] = {}
    series: dict[str, dict[tuple[tuple[str, str], ...], Sample]] = {}
    for family in (family for one in of_processes for family in one):
        known = families.setdefault(family.name, family)
        if known.bounds != family.bounds:
            continue
        into = series.setdefault(family.name, {})
        for each in family.series:
            key = tuple(sorted(each.labels.items()))
            into[key] = _added(into[key], each) if key in into else each
    ordered = sorted(families.values(), key=lambda family: _ORDER.get(family.name, len(_ORDER)))
    return [
        msgspec.structs.replace(family, series=tuple(series[family.name][key] for key in sorted(series[family.name])))
        for family in ordered
    ]


def _added(one: Sample, other: Sample) -> Sample:
    return Sample(
        labels=one.labels,
        value=one.value + other.value,
        counts=tuple(left + right for left, right in zip(one.counts, other.counts, strict=True)),
        exemplars=one.exemplars + other.exemplars,
    )


def total(families: Iterable[MetricFamily], name: str, label: str) -> dict[str, float]:
    """The values of this figure by one of its labels."""
    values: dict[str, float] = {}
    for family in families:
        if family.name == name:
            for each in family.series:
                values[each.labels[label]] = values.get(each.labels[label], 0.0) + each.value
    return values


class KeptExemplars:
    """The newest exemplars of each bucket: OpenTelemetry gives each of them out once, and forgets it."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, ...], dict[int, Exemplar]] = {}

    def put_back(self, families: Sequence[MetricFamily]) -> list[MetricFamily]:
        """The families with the exemplars that were seen before as well."""
        return [
            msgspec.structs.replace(family, series=tuple(self._put_back(family, each) for each in family.series))
            for family in families
        ]

    def _put_back(self, family: MetricFamily, series: Sample) -> Sample:
        if family.kind is not Kind.HISTOGRAM:
            return series
        newest = self._newest.setdefault((family.name, *sorted(series.labels.values())), {})
        for exemplar in series.exemplars:
            newest[bisect_left(family.bounds, exemplar.value)] = exemplar
        return msgspec.structs.replace(series, exemplars=tuple(newest.values()))


class RestartSafeCounters:
    """The metrics of a process that may be restarted: counters continue where the previous process ended."""

    def __init__(self) -> None:
        self._ended: list[MetricFamily] = []
        self._latest: list[MetricFamily] = []

    def take(self, families: Sequence[MetricFamily]) -> None:
        """The newest figures of the process that runs."""
        self._latest = list(families)

    def ended(self) -> None:
        """The process has ended; its gauges and exemplars with it."""
        counted = [_without_exemplars(family) for family in self._latest if family.kind is not Kind.GAUGE]
        self._ended = summed(self._ended, counted)
        self._latest = []

    def families(self) -> list[MetricFamily]:
        """All that was ever counted there."""
        return summed(self._ended, self._latest)


def _without_exemplars(family: MetricFamily) -> MetricFamily:
    series = tuple(msgspec.structs.replace(each, exemplars=()) for each in family.series)
    return msgspec.structs.replace(family, series=series)


def families_of(metrics_data: Any) -> list[MetricFamily]:
    """OpenTelemetry's cumulative MetricsData as families; what is not in the table of instruments is left out."""
    known = {instrument.name: instrument for instrument in INSTRUMENTS}
    found = []
    for metric in _metrics(metrics_data):
        instrument = known.get(metric.name)
        if instrument is None or not metric.data.data_points:
            continue
        points = metric.data.data_points
        found.append(
            MetricFamily(
                name=instrument.prometheus_name,
                kind=instrument.kind,
                help=instrument.help,
                bounds=instrument.buckets,
                series=tuple(_series(instrument.kind, point) for point in points),
            )
        )
    return summed(found)


def _metrics(metrics_data: Any) -> Iterable[Any]:
    if metrics_data is None:
        return
    for resource in metrics_data.resource_metrics:
        for scope in resource.scope_metrics:
            yield from scope.metrics


def _series(kind: Kind, point: Any) -> Sample:
    labels = _labels(point.attributes)
    if kind is not Kind.HISTOGRAM:
        return Sample(labels=labels, value=float(point.value))
    exemplars = tuple(
        Exemplar(float(one.value), one.time_unix_nano / 1e9, f"{one.trace_id:032x}", f"{one.span_id:016x}")
        for one in point.exemplars
        if one.trace_id and one.span_id
    )
    return Sample(labels=labels, value=float(point.sum), counts=tuple(point.bucket_counts), exemplars=exemplars)


def _labels(attributes: Mapping[str, Any] | None) -> dict[str, str]:
    return {name: str(value) for name, value in (attributes or {}).items()}
