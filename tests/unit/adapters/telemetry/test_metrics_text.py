"""Figures as plain values: added up over processes, carried between them, and written for Prometheus."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from photochanger.adapters.telemetry import (
    INSTRUMENTS,
    MetricFamily,
    OpenTelemetry,
    RestartSafeCounters,
    decode_families,
    encode_families,
    exposition,
    summed,
    total,
)
from photochanger.adapters.telemetry.aggregation import Exemplar, Sample
from photochanger.adapters.telemetry.instruments import JOBS_ACTIVE, Kind
from photochanger.core.domain.job import FailureReason, JobSource
from photochanger.core.domain.media import MediaKind
from photochanger.core.domain.routing.provider_usage import CallOutcome
from photochanger.core.domain.trace_context import IngestOutcome
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from tests.support.dockerfile import ROOT

DOCS = ROOT / "docs" / "metrics.md"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SECOND = timedelta(seconds=1)


def told() -> OpenTelemetry:
    """A process in which a bit of everything has happened."""
    telemetry = OpenTelemetry()
    telemetry.answered("slot-001", IngestOutcome.SUCCESS, took=3 * SECOND)
    telemetry.answered(None, IngestOutcome.REFUSED, took=SECOND)
    telemetry.job_began("slot-001", waited=SECOND)
    telemetry.job_ended("slot-001", JobSource.INGEST, FailureReason.TIMEOUT)
    telemetry.call_ended("local", CallOutcome.DOWN, took=SECOND, call=1)
    telemetry.call_ended("local", CallOutcome.PICTURE, took=SECOND, call=2)
    telemetry.media_stored(MediaKind.RESULTS, 1000)
    telemetry.media_removed(MediaKind.RESULTS, 400)
    telemetry.swept({"results": 2})
    telemetry.show(JOBS_ACTIVE, {("pending",): 2.0, ("processing",): 4.0})
    return telemetry


def samples(text: str) -> dict[str, float]:
    """Every sample by its name and labels, as a Prometheus parser reads it."""
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in parse(text)
        for sample in family.samples
    }


def counter(**values: float) -> MetricFamily:
    series = tuple(Sample(labels={"kind": kind}, value=value) for kind, value in values.items())
    return MetricFamily(name="stored", kind=Kind.COUNTER, help="Stored.", series=series)


def gauge(value: float) -> MetricFamily:
    return MetricFamily(name="lag", kind=Kind.GAUGE, help="Lag.", series=(Sample(value=value),))


def histogram(*counts: int, exemplars: tuple[Exemplar, ...] = ()) -> MetricFamily:
    series = Sample(labels={"slot_id": "slot-001"}, value=float(sum(counts)), counts=counts, exemplars=exemplars)
    return MetricFamily(name="took_seconds", kind=Kind.HISTOGRAM, help="Took.", bounds=(0.5, 1.0), series=(series,))


def test_everything_that_is_told_is_written_so_that_prometheus_reads_it() -> None:
    body, content_type = exposition(told().families(), "*/*")
    assert content_type.startswith("text/plain; version=0.0.4")
    seen = samples(body.decode())
    assert seen["photochanger_ingest_duration_seconds_count[('outcome', 'success'), ('slot_id', 'slot-001')]"] == 1
    assert seen["photochanger_ingest_duration_seconds_count[('outcome', 'refused'), ('slot_id', 'none')]"] == 1
    assert seen["photochanger_queue_wait_seconds_sum[('slot_id', 'slot-001')]"] == 1
    ended = "photochanger_jobs_ended_total[('outcome', 'timeout'), ('slot_id', 'slot-001'), ('source', 'ingest')]"
    assert seen[ended] == 1
    calls = "photochanger_provider_call_duration_seconds_count[('provider_id', 'local'), ('verdict', 'down')]"
    assert seen[calls] == 1
    assert seen["photochanger_provider_retries_total[('provider_id', 'local')]"] == 1
    assert seen["photochanger_media_stored_bytes_total[('kind', 'results')]"] == 1000
    assert seen["photochanger_media_removed_bytes_total[('kind', 'results')]"] == 400
    assert seen["photochanger_sweeper_removed_total[('what', 'results')]"] == 2
    assert seen["photochanger_jobs_active[('state', 'pending')]"] == 2
    assert seen["photochanger_sweeper_lag_seconds[]"] >= 0


def test_every_family_has_the_labels_of_its_instrument() -> None:
    declared = {instrument.prometheus_name: set(instrument.labels) for instrument in INSTRUMENTS}
    for family in told().families():
        assert {name for series in family.series for name in series.labels} == declared[family.name]


def test_gauges_stay_until_they_are_taken_away() -> None:
    telemetry = told()
    for _ in range(2):
        assert total(telemetry.families(), "photochanger_jobs_active", "state") == {"pending": 2.0, "processing": 4.0}
    telemetry.show(JOBS_ACTIVE, {})
    assert total(telemetry.families(), "photochanger_jobs_active", "state") == {}


def test_buckets_are_those_of_the_table_and_cumulative_in_the_text() -> None:
    (family,) = summed([histogram(1, 2, 4)])
    (read,) = parse(exposition([family], "")[0].decode())
    buckets = {sample.labels["le"]: sample.value for sample in read.samples if sample.name.endswith("_bucket")}
    assert buckets == {"0.5": 1, "1.0": 3, "+Inf": 7}


def test_openmetrics_shows_the_newest_exemplar_of_each_bucket() -> None:
    exemplars = tuple(Exemplar(value, at, TRACE_ID, "00f067aa0ba902b7") for value, at in ((0.7, 5.0), (0.8, 9.0)))
    body, content_type = exposition([histogram(1, 2, 4, exemplars=exemplars)], "application/openmetrics-text;version=1")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    (read,) = parse_openmetrics(body.decode())
    shown = {sample.labels["le"]: sample.exemplar for sample in read.samples if sample.exemplar}
    assert list(shown) == ["1.0"]
    assert (shown["1.0"].value, shown["1.0"].labels["trace_id"]) == (0.8, TRACE_ID)


def test_an_exemplar_on_a_bound_is_in_the_bucket_that_ends_there() -> None:
    exemplars = (Exemplar(0.5, 5.0, TRACE_ID, "00f067aa0ba902b7"),)
    body, _ = exposition([histogram(1, 0, 0, exemplars=exemplars)], "application/openmetrics-text")
    (read,) = parse_openmetrics(body.decode())
    assert [sample.labels["le"] for sample in read.samples if sample.exemplar] == ["0.5"]


def test_figures_of_several_processes_add_up() -> None:
    one, other = [counter(results=1, media=2), histogram(1, 0, 0)], [counter(results=10), histogram(0, 1, 1)]
    both = summed(one, other)
    assert total(both, "stored", "kind") == {"results": 11, "media": 2}
    (spread,) = [family for family in both if family.kind is Kind.HISTOGRAM]
    assert spread.series[0].counts == (1, 1, 1)


def test_figures_travel_as_one_line() -> None:
    families = told().families()
    line = encode_families(families)
    assert b"\n" not in line
    assert decode_families(line) == families


@pytest.mark.parametrize("line", [b"", b"half a li", b'[{"name": 1}]'])
def test_what_is_no_such_line_is_told(line: bytes) -> None:
    with pytest.raises(ValueError):
        decode_families(line)


def test_counters_of_a_process_that_ended_are_kept_and_its_gauges_are_not() -> None:
    kept = RestartSafeCounters()
    kept.take([counter(results=5), gauge(3)])
    kept.take([counter(results=7), gauge(4)])
    kept.ended()
    assert kept.families() == [counter(results=7)]
    kept.take([counter(results=1)])
    assert total(kept.families(), "stored", "kind") == {"results": 8}
    kept.ended()
    kept.ended()
    assert total(kept.families(), "stored", "kind") == {"results": 8}


def test_the_docs_name_every_figure_as_it_is() -> None:
    rows = re.findall(r"^\| `(photochanger_\w+)` \| (\w+) \| (.*?) \|", DOCS.read_text(), re.MULTILINE)
    suffix = {Kind.COUNTER: "_total", Kind.GAUGE: "", Kind.HISTOGRAM: ""}
    declared = {
        (one.prometheus_name + suffix[one.kind], one.kind.value, ", ".join(f"`{label}`" for label in one.labels))
        for one in INSTRUMENTS
    }
    assert set(rows) == declared


def test_without_a_collector_only_a_context_from_outside_travels_on() -> None:
    telemetry = OpenTelemetry()
    context = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
    with telemetry.span("request"):
        assert telemetry.trace() is None
    with telemetry.span("request", parent=context), telemetry.span("job"):
        assert telemetry.trace() == context
    assert telemetry.trace() is None
