"""A real Prometheus with the shipped rules, in front of a real service and a worker of its own."""

from __future__ import annotations

from pathlib import Path

from tests.support import photos
from tests.support.monitoring import (
    Prometheus,
    alerts,
    dashboard_expressions,
    filled_in,
    known_series,
    panels,
    rules,
    scraping,
)
from tests.support.service import eventually, serving, working

PHOTOS = 3
REFUSED = (
    "prometheus_target_scrapes_sample_",
    "prometheus_target_scrapes_exceeded_",
    "prometheus_target_scrapes_exemplar_",
)
"""Prometheus' own counters of samples that it did not take."""


NOTHING_TO_SHOW = ["Breakers"]
"""Panels that stay empty: the provider of the shipped slots is on this machine and has no breaker."""


def empty_panels(prometheus: Prometheus) -> list[str]:
    """The panels for whose first question there is no answer."""
    first = {panel["title"]: filled_in(panel["targets"][0]["expr"]) for panel in panels()}
    return [title for title, asked in first.items() if not prometheus.ask("query", query=asked)["result"]]


def every_target_is_up(prometheus: Prometheus) -> bool:
    return [target["health"] for target in prometheus.ask("targets")["activeTargets"]] == ["up", "up"]


def every_rule_was_evaluated(prometheus: Prometheus) -> bool:
    loaded = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    return bool(loaded) and all(rule["health"] != "unknown" for rule in loaded)


def test_prometheus_reads_what_was_sent_and_every_rule_and_panel_works(tmp_path: Path, postgres_url: str) -> None:
    settings = {"database_url": postgres_url, "media_root": str(tmp_path / "media"), "max_active_jobs": "17"}
    with serving(tmp_path, "--workers", "0", **settings) as service, working(tmp_path, **settings) as address:
        served, figures = service.metrics.split("/")[2], address.split("/")[2]
        with scraping(tmp_path / "prometheus", service=served, worker=figures) as prometheus:
            for width in range(PHOTOS):
                assert service.send(photos.jpeg(160 + width, 120)).status_code == 200
            with service.client() as client:
                assert client.post("/ingest/slot-001", data={"password": "wrong one"}).status_code >= 400
            eventually(lambda: every_target_is_up(prometheus))
            check_counts(prometheus, served=served, figures=figures)
            check_gauges(prometheus)
            check_rules(prometheus)
            check_pages(prometheus)


def check_counts(prometheus: Prometheus, *, served: str, figures: str) -> None:
    """The figures are those that were sent, each at the process that counted it."""
    answers = (
        f'photochanger_ingest_duration_seconds_count{{job="photochanger", instance="{served}", outcome="success"}}'
    )
    eventually(lambda: prometheus.value(answers) == PHOTOS)
    buckets = answers.replace("_count{", '_bucket{le="+Inf", ')
    eventually(lambda: prometheus.value(buckets) == PHOTOS)
    eventually(lambda: prometheus.value('sum(photochanger_ingest_duration_seconds_count{outcome="refused"})') == 1)
    eventually(lambda: (prometheus.value("sum(photochanger_ingest_duration_seconds_sum)") or 0) > 0)
    ended = f'photochanger_jobs_ended_total{{job="photochanger-worker", instance="{figures}", outcome="success"}}'
    eventually(lambda: prometheus.value(ended) == PHOTOS)
    eventually(
        lambda: prometheus.value('photochanger_provider_call_duration_seconds_count{verdict="picture"}') == PHOTOS
    )


def check_gauges(prometheus: Prometheus) -> None:
    """How things stand is told by the service. There is no value while a scrape takes longer than it may."""
    eventually(lambda: prometheus.value("photochanger_jobs_limit") == 17)
    eventually(lambda: prometheus.value("photochanger_workers_alive") == 1)
    eventually(lambda: prometheus.value("photochanger_media_floor_bytes") == 256 * 1024**2)
    eventually(lambda: (prometheus.value("photochanger_media_free_bytes") or 0) > 0)
    eventually(lambda: prometheus.value("photochanger_sweeper_lag_seconds") is not None)


def check_rules(prometheus: Prometheus) -> None:
    """The rules are those of the file, none of them in trouble, and nobody is called."""
    eventually(lambda: every_rule_was_evaluated(prometheus))
    loaded = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert [rule["name"] for rule in loaded] == [rule.get("alert", rule.get("record")) for rule in rules()]
    assert [(rule["name"], rule["lastError"]) for rule in loaded if rule.get("lastError")] == []
    assert {rule["health"] for rule in loaded} == {"ok"}
    firing = {
        alert["labels"]["alertname"] for alert in prometheus.ask("alerts")["alerts"] if alert["state"] == "firing"
    }
    assert firing & alerts().keys() <= {"PhotoChangerDiskLow"}, "the disk is the machine's own matter"


def check_pages(prometheus: Prometheus) -> None:
    """No scrape went wrong, what is exported is known by name, and rules and dashboard get their answers."""
    # A page that Prometheus cannot read would be a target that is down.
    eventually(lambda: every_target_is_up(prometheus))
    scrapes = {name: n for name, n in prometheus.own_figures().items() if name.startswith(REFUSED)}
    assert scrapes
    assert {name: n for name, n in scrapes.items() if n} == {}
    names = {name for name in prometheus.ask("label/__name__/values") if name.startswith("photochanger_")}
    assert names
    assert names <= known_series().keys()
    for series in prometheus.ask("series", **{"match[]": '{__name__=~"photochanger_.+"}'}):
        assert series.keys() - {"__name__"} <= known_series()[series["__name__"]]
    for expression in [*(rule["expr"] for rule in rules()), *dashboard_expressions()]:
        prometheus.ask("query", query=expression)
    eventually(lambda: empty_panels(prometheus) == NOTHING_TO_SHOW)
