"""The files in `deploy/` and the programs that read them: promtool, and a Prometheus that a test starts."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import yaml
from photochanger.adapters.telemetry import INSTRUMENTS
from photochanger.adapters.telemetry.instruments import Kind
from prometheus_client.parser import text_string_to_metric_families

from tests.support.plain_http import NO_TLS
from tests.support.service import eventually

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"
GRAFANA = ROOT / "deploy/grafana"

_SUFFIXES = {Kind.COUNTER: ("_total",), Kind.GAUGE: ("",), Kind.HISTOGRAM: ("_bucket", "_sum", "_count")}
_OF_TARGETS = {"job", "instance"}
_OF_PROMETHEUS = {
    "up": _OF_TARGETS,
    "ALERTS": _OF_TARGETS | {"alertname", "alertstate", "severity", "provider_id"},
}
_LISTENS = re.compile(r'msg="Listening on" address=(\S+)')
_VARIABLES = {"$__rate_interval": "5m", "$slot_id": ".*", "$provider_id": ".*"}


def program(name: str) -> str:
    """Where this program is."""
    found = shutil.which(name, path=os.pathsep.join([str(ROOT / ".tools/bin"), os.environ.get("PATH", "")]))
    assert found is not None, f"there is no {name}; scripts/test-tools brings it"
    return found


def promtool(*arguments: str) -> None:
    """Run promtool in the folder of the rules; what it says is the failure."""
    ended = subprocess.run([program("promtool"), *arguments], cwd=PROMETHEUS, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def rules() -> list[dict[str, Any]]:
    """All rules that are shipped, in their order."""
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """The rules that call somebody, by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana reads it."""
    read: dict[str, Any] = json.loads((GRAFANA / "dashboards/photochanger.json").read_text())
    return read


def panels() -> list[dict[str, Any]]:
    """The panels that show something."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def dashboard_expressions() -> list[str]:
    """Everything that the dashboard asks Prometheus."""
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    asked += [one["expr"] for one in dashboard()["annotations"]["list"] if "expr" in one]
    return [filled_in(expression) for expression in asked]


def filled_in(expression: str) -> str:
    """A question of the dashboard, as Grafana asks it for all slots and providers."""
    for name, value in _VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def known_series() -> dict[str, set[str]]:
    """Every name of a series that an expression may use, with its labels."""
    known = {name: set(labels) for name, labels in _OF_PROMETHEUS.items()}
    for one in INSTRUMENTS:
        for suffix in _SUFFIXES[one.kind]:
            le = {"le"} if suffix == "_bucket" else set()
            known[one.prometheus_name + suffix] = {*one.labels, *_OF_TARGETS, *le}
    for rule in rules():
        if "record" in rule:
            known[rule["record"]] = set(_grouped_by(rule["expr"]))
    return known


def unknown_words(expression: str) -> list[str]:
    """The names of series and labels in the expression that the service does not export."""
    known = known_series()
    bare = re.sub(r'"[^"]*"', '""', expression)
    grouped = set(_grouped_by(bare))
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    bare = re.sub(r"\[[^\]]*\]|\boffset\s+\w+", " ", bare)
    unknown, labels = [], set()
    for name, selector in re.findall(r"([a-zA-Z_:][\w:]*)\b(?!\s*\()(?:\s*\{([^}]*)\})?", bare):
        if name in {"and", "or", "unless", "bool"}:
            continue
        if name not in known:
            unknown.append(name)
            continue
        labels |= known[name]
        matched = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector)
        unknown += [f"{name}: {label}" for label in matched if label not in known[name]]
    return unknown + sorted(grouped - labels)


def _grouped_by(expression: str) -> list[str]:
    lists = re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression)
    return [label.strip() for one in lists for label in one.split(",") if label.strip()]


class Prometheus:
    """A running Prometheus, asked by its HTTP API."""

    def __init__(self, address: str) -> None:
        self._client = httpx.Client(base_url=address, verify=NO_TLS, timeout=180)

    def ready(self) -> bool:
        """Whether it answers questions."""
        return self._client.get("/-/ready").status_code == 200

    def ask(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer, which must be a success."""
        answer = self._client.get(f"/api/v1/{path}", params=parameters).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def value(self, expression: str) -> float | None:
        """The one value of this expression now, None where it has none."""
        found = self.ask("query", query=expression)["result"]
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    def own_figures(self) -> dict[str, float]:
        """What Prometheus counted of its own work."""
        text = self._client.get("/metrics").raise_for_status().text
        return {
            sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples
        }

    def close(self) -> None:
        self._client.close()


@contextlib.contextmanager
def scraping(folder: Path, *, service: str, worker: str | None = None) -> Iterator[Prometheus]:
    """A Prometheus with the configuration that is shipped, in front of these addresses (`host:port`), once a second."""
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    config["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(PROMETHEUS / name) for name in config["rule_files"]]
    targets = {"photochanger": [service], "photochanger-worker": [worker] if worker else []}
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": targets[job["job_name"]]}]
    folder.mkdir(parents=True)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    log = folder / "prometheus.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--web.listen-address=127.0.0.1:0",
            ],
            stdout=output,
            stderr=output,
        )
    try:
        eventually(lambda: process.poll() is not None or _LISTENS.search(log.read_text()))
        listens = _LISTENS.search(log.read_text())
        assert listens is not None, log.read_text()[-3000:]
        prometheus = Prometheus(f"http://{listens[1]}")
        try:
            eventually(prometheus.ready)
            yield prometheus
        finally:
            prometheus.close()
        complaints = [line for line in log.read_text().splitlines() if "level=error" in line or "level=warn" in line]
        assert complaints == []
    finally:
        process.terminate()
        process.wait(180)
