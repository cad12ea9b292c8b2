"""Alert rules and dashboard in `deploy/`: they mean what they say, and ask for nothing the service does not tell."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from tests.support.monitoring import (
    GRAFANA,
    PROMETHEUS,
    alerts,
    dashboard,
    dashboard_expressions,
    panels,
    promtool,
    rules,
    unknown_words,
)

ALERTS = {
    "PhotoChangerTimeouts": "page",
    "PhotoChangerErrors": "page",
    "PhotoChangerQueueFilling": "warn",
    "PhotoChangerNoWorker": "page",
    "PhotoChangerProviderDown": "warn",
    "PhotoChangerSweeperLate": "warn",
    "PhotoChangerDown": "page",
    "PhotoChangerDiskLow": "page",
    "PhotoChangerBudgetLow": "warn",
}


def test_alerts_fire_and_keep_silent_as_they_should() -> None:
    promtool("test", "rules", "alerts_test.yml")


def test_the_configuration_and_the_rules_that_it_loads_are_valid() -> None:
    promtool("check", "config", "--lint-fatal", "prometheus.yml")


def test_each_alert_names_its_severity_and_its_place_in_the_runbook() -> None:
    assert {name: alert["labels"]["severity"] for name, alert in alerts().items()} == ALERTS
    for name, alert in alerts().items():
        assert alert["annotations"].keys() == {"summary", "description", "runbook"}
        assert alert["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"


def test_each_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    cases = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
    asked = [case for test in cases for case in test.get("alert_rule_test", [])]
    assert {case["alertname"] for case in asked if case.get("exp_alerts")} == ALERTS.keys()
    assert {case["alertname"] for case in asked if not case.get("exp_alerts")} == ALERTS.keys()


@pytest.mark.parametrize("expression", [*(rule["expr"] for rule in rules()), *dashboard_expressions()])
def test_expressions_use_only_what_the_service_exports(expression: str) -> None:
    assert unknown_words(expression) == []


@pytest.mark.parametrize(
    ("expression", "unknown"),
    [
        ("sum(photochanger_jobs_ended)", ["photochanger_jobs_ended"]),
        ("photochanger_jobs_activ > 3 and up", ["photochanger_jobs_activ"]),
        ('rate(photochanger_jobs_ended_total{slot="x"}[5m])', ["photochanger_jobs_ended_total: slot"]),
        ("sum by (outcom, slot_id) (photochanger_jobs_ended_total)", ["outcom"]),
        ("max by (le) (photochanger_jobs_limit)", ["le"]),
        ('2 * up{state="open"} or photochanger_jobs_limit{state="x"}', ["up: state", "photochanger_jobs_limit: state"]),
        ("histogram_quantile(0.5, sum by (le) (rate(photochanger_queue_wait_seconds_bucket[5m])))", []),
    ],
)
def test_a_wrong_name_would_be_seen(expression: str, unknown: list[str]) -> None:
    assert unknown_words(expression) == unknown


def test_every_expression_of_the_dashboard_parses(tmp_path: Path) -> None:
    numbered = [{"record": f"panel:{n}", "expr": expression} for n, expression in enumerate(dashboard_expressions())]
    written = tmp_path / "dashboard.yml"
    written.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": numbered}]}))
    promtool("check", "rules", "--lint-fatal", str(written))


def test_every_panel_says_what_it_shows() -> None:
    for panel in panels():
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert [target["refId"] for target in panel["targets"]] == list("ABCDEFGH"[: len(panel["targets"])])
        for target in panel["targets"]:
            shown = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
            assert all(re.search(rf"by \([^)]*\b{label}\b", target["expr"]) for label in shown), target
    titles = [panel["title"] for panel in panels()]
    assert len(titles) == len(set(titles))


def test_panels_have_ids_of_their_own_and_lie_beside_each_other() -> None:
    every = dashboard()["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    places = [(panel["title"], *(panel["gridPos"][side] for side in "xywh")) for panel in every]
    assert all(x + w <= 24 for _, x, _, w, _ in places)
    for one, other in combinations(places, 2):
        beside = one[1] + one[3] <= other[1] or other[1] + other[3] <= one[1]
        above = one[2] + one[4] <= other[2] or other[2] + other[4] <= one[2]
        assert beside or above, f"{one[0]} lies over {other[0]}"


def test_variables_are_used_and_the_used_ones_exist() -> None:
    offered = {variable["name"] for variable in dashboard()["templating"]["list"]}
    assert offered == {"datasource", "slot_id", "provider_id"}
    used = set(re.findall(r"\$\{?([a-z]\w*)", str([panel["targets"] for panel in panels()])))
    assert used == offered
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            asked = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
            assert asked is not None
            assert asked[2] == variable["name"]
            assert unknown_words(f"sum by ({asked[2]}) ({asked[1]})") == []


def test_the_lines_of_the_dashboard_are_where_the_alerts_are() -> None:
    lines = {panel["title"]: panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"] for panel in panels()}
    limits = {name: alert["expr"].split(">")[-1].strip() for name, alert in alerts().items()}
    for title, alert in {
        "Timeouts": "PhotoChangerTimeouts",
        "Share of timeouts": "PhotoChangerTimeouts",
        "Errors": "PhotoChangerErrors",
        "Queue": "PhotoChangerQueueFilling",
    }.items():
        assert str(lines[title]) == limits[alert]


def test_grafana_is_told_where_the_dashboard_and_the_figures_are() -> None:
    provisioning = GRAFANA / "provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards/photochanger.yml").read_text())["providers"]
    assert (provider["type"], provider["options"]["path"]) == ("file", "/var/lib/grafana/dashboards")
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
