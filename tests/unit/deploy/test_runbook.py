"""docs/operations.md has something to say to whoever is woken by an alert."""

from __future__ import annotations

import re

import yaml

from tests.support.dockerfile import ROOT

ALERTS = ROOT / "deploy/prometheus/alerts.yml"


def test_every_alert_has_a_section_of_the_runbook_that_it_points_to() -> None:
    text = (ROOT / "docs/operations.md").read_text()
    sections = re.findall(r"^### (PhotoChanger\w+)$", text.partition("\n## When an alert fires\n")[2], re.MULTILINE)
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    alerts = {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}
    assert sorted(sections) == sorted(alerts)
    for name, rule in alerts.items():
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"
