"""Traces, figures and logs of real processes: one trace through all of them, and nothing secret in any."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support import photos
from tests.support.collector import Collector, collecting, facts
from tests.support.plain_http import NO_TLS
from tests.support.service import Service, command, environment, eventually, rows, serving, working

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE_ID}-{CALLER}-01"


def figures(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """The samples of a page of figures, by name and by the values of their labels."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.values()))] = sample.value
    return found


def scraped(address: str) -> dict[str, dict[tuple[str, ...], float]]:
    return figures(httpx.get(address, verify=NO_TLS, timeout=180).raise_for_status().text)


def figures_of(service: Service) -> dict[str, dict[tuple[str, ...], float] | None]:
    """What the service says of its photos. The figures of workers come a little later, and not all at once."""
    told = scraped(service.metrics)
    names = ("ingest_duration_seconds_count", "queue_wait_seconds_count", "provider_call_duration_seconds_count")
    return {name: told.get(f"photochanger_{name}") for name in (*names, "jobs_ended_total", "jobs_active")}


def figures_after(photos_sent: int) -> dict[str, dict[tuple[str, ...], float] | None]:
    """What it says once so many photos of the first slot have become pictures."""
    count = float(photos_sent)
    return {
        "ingest_duration_seconds_count": {("slot-001", "success"): count},
        "queue_wait_seconds_count": {("slot-001",): count},
        "provider_call_duration_seconds_count": {("local", "picture"): count},
        "jobs_ended_total": {("ingest", "slot-001", "success"): count},
        "jobs_active": {("pending",): 0.0, ("processing",): 0.0},
    }


def calls_with_exemplars(address: str) -> str:
    """The lines of calls to providers that show a trace."""
    page = (
        httpx.get(address, verify=NO_TLS, timeout=180, headers={"Accept": "application/openmetrics-text"})
        .raise_for_status()
        .text
    )
    calls = "photochanger_provider_call_duration_seconds_bucket"
    return "\n".join(line for line in page.splitlines() if line.startswith(calls) and "trace_id" in line)


def whole_trace(collector: Collector) -> bool:
    return bool(collector.named("POST /ingest/{slot_id}") and collector.named("job"))


def test_one_trace_leads_from_the_request_through_the_queue_to_the_call(tmp_path: Path, postgres_url: str) -> None:
    with (
        collecting() as collector,
        serving(tmp_path, database_url=postgres_url, otlp_endpoint=collector.address, log_format="json") as service,
    ):
        answer = service.send(photos.jpeg(160, 120), traceparent=TRACEPARENT)
        assert answer.status_code == 200
        eventually(lambda: whole_trace(collector))
        for _ in range(2):  # exemplars stay for the next scraper
            with_exemplars = eventually(lambda: calls_with_exemplars(service.metrics))
            assert TRACE_ID in with_exemplars
    (request,) = collector.named("POST /ingest/{slot_id}")
    (job,) = collector.named("job")
    (call,) = collector.named("provider call")
    assert {span.trace_id.hex() for span in (request, job, call)} == {TRACE_ID}
    assert request.parent_span_id.hex() == CALLER
    assert (job.parent_span_id, call.parent_span_id) == (request.span_id, job.span_id)
    assert facts(request)["http.response.status_code"] == 200
    assert facts(job)["photochanger.job_id"] == answer.headers["x-job-id"]
    assert facts(job)["photochanger.slot_id"] == "slot-001"
    assert facts(call) == {
        "photochanger.entry": 0,
        "photochanger.call": 1,
        "photochanger.provider": "local",
        "photochanger.operation": "enhance",
        "photochanger.verdict": "picture",
    }
    instances = {facts(resource)["service.instance.id"] for resource in collector.resources}
    assert len(instances) == 2, "the request and its job were in two processes"
    exported = {metric.name for metric in collector.metrics}
    assert {"photochanger.ingest.duration", "photochanger.queue.wait", "photochanger.jobs.ended"} <= exported


@pytest.mark.parametrize("given", ["", "not-a-trace", f"00-{'0' * 32}-{CALLER}-01", f"00-{TRACE_ID}-{CALLER}-01-x"])
def test_what_is_no_trace_context_begins_a_trace_of_its_own(tmp_path: Path, postgres_url: str, given: str) -> None:
    with (
        collecting() as collector,
        serving(tmp_path, database_url=postgres_url, otlp_endpoint=collector.address) as service,
    ):
        assert service.send(photos.jpeg(160, 120), traceparent=given).status_code == 200
        eventually(lambda: whole_trace(collector))
    (request,) = collector.named("POST /ingest/{slot_id}")
    (job,) = collector.named("job")
    assert request.trace_id.hex() != TRACE_ID
    assert request.parent_span_id == b""
    assert job.parent_span_id == request.span_id


def test_figures_of_the_workers_are_the_services_and_outlive_them(tmp_path: Path, postgres_url: str) -> None:
    with serving(tmp_path, database_url=postgres_url) as service:
        assert service.send(photos.jpeg(160, 120)).status_code == 200
        eventually(lambda: figures_of(service) == figures_after(1))
        (old,) = service.workers()
        old.kill()
        eventually(lambda: [worker for worker in service.workers() if worker.pid != old.pid])
        assert service.send(photos.jpeg(161, 120)).status_code == 200
        eventually(lambda: figures_of(service) == figures_after(2))


def test_media_bytes_are_the_sums_of_what_rows_own(tmp_path: Path, postgres_url: str) -> None:
    rows(
        postgres_url,
        "insert into photochanger.template_media values"
        " (gen_random_uuid(), 'templates/one', 1000, '', 'image/png', 4, 3, 'One', now(), 'ada') returning 1",
    )
    with serving(tmp_path, database_url=postgres_url) as service:
        size_bytes = len(service.send(photos.jpeg(160, 120)).content)

        def told() -> dict[tuple[str, ...], float]:
            return scraped(service.metrics).get("photochanger_media_bytes", {})

        eventually(lambda: told().get(("results",)) == size_bytes and told().get(("payloads",)) == 0.0)
        assert told()[("templates",)] == 1000.0


def test_a_worker_of_its_own_serves_its_figures(tmp_path: Path, postgres_url: str) -> None:
    settings = {"database_url": postgres_url, "media_root": str(tmp_path / "media")}
    with serving(tmp_path, "--workers", "0", **settings) as service, working(tmp_path, **settings) as address:
        assert service.send(photos.jpeg(160, 120)).status_code == 200
        eventually(
            lambda: "photochanger_jobs_ended_total" in figures(httpx.get(address, verify=NO_TLS, timeout=180).text)
        )
        assert "photochanger_jobs_ended_total" not in scraped(service.metrics)
        openmetrics = httpx.get(
            address, verify=NO_TLS, timeout=180, headers={"Accept": "application/openmetrics-text; version=1.0.0"}
        )
        assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
        assert openmetrics.text.endswith("# EOF\n")


def test_a_port_for_figures_that_is_taken_is_named(tmp_path: Path, postgres_url: str) -> None:
    with serving(tmp_path, database_url=postgres_url) as service:
        taken = service.address.rpartition(":")[2]
        ended = subprocess.run(
            command("worker"),
            env=environment(tmp_path, database_url=postgres_url, metrics_port=taken),
            capture_output=True,
            text=True,
            timeout=180,
        )
    assert ended.returncode == 2
    assert "PHOTOCHANGER_METRICS_PORT" in ended.stderr


def test_a_collector_that_is_away_holds_nobody_up(tmp_path: Path, postgres_url: str) -> None:
    with serving(tmp_path, database_url=postgres_url, otlp_endpoint="http://127.0.0.1:9") as service:
        assert service.send(photos.jpeg(160, 120)).status_code == 200
        assert service.stop() == 0
