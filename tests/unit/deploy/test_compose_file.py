"""deploy/compose.yml: valid by the Compose Specification, complete, and as closed as it claims to be."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from photochanger.core.domain.errors import ConfigurationError
from photochanger.entrypoints.config import Settings

from tests.support.compose_file import DEPLOY, compose, example_settings, filled_in, services, settings_of
from tests.support.dockerfile import PINNED

ROOT = DEPLOY.parent
SCHEMA = json.loads((ROOT / "tests/vendored/compose-spec.json").read_text())
OURS = ("photochanger", "worker")


def mounts(service: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Source, target and mode of each volume of a service."""
    parts = ((*volume.split(":"), "rw") for volume in service["volumes"])
    return [(source, target, mode) for source, target, mode, *_ in parts]


def test_the_compose_file_follows_the_compose_specification() -> None:
    jsonschema.Draft7Validator(SCHEMA).validate(compose())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(SCHEMA).validate(compose() | {"services": {"photochanger": {"port": 8000}}})


def test_everything_that_is_mounted_is_in_the_repository_and_cannot_be_written() -> None:
    for name, service in services().items():
        for source, target, mode in mounts(service):
            if source.startswith("."):
                assert (DEPLOY / source).exists(), f"{name}: {source}"
                assert mode == "ro", f"{name}: {target}"
            else:
                assert source in compose()["volumes"], f"{name}: {source}"


def prometheus(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus" / name).read_text())
    return found


def test_prometheus_asks_the_services_at_their_ports() -> None:
    config = prometheus(services()["prometheus"]["command"][0].rpartition("/")[2])
    serve, worker = config["scrape_configs"]
    (found,) = worker["dns_sd_configs"]
    assert found["names"] == ["worker"]
    assert serve["static_configs"] == [{"targets": [f"photochanger:{found['port']}"]}]
    for name in ("photochanger", "worker"):
        service = services()[name]
        assert [str(found["port"])] == service["expose"]
        assert service["environment"]["PHOTOCHANGER_METRICS_PORT"] == str(found["port"])
        assert service["environment"]["PHOTOCHANGER_METRICS_HOST"] == "0.0.0.0"
        assert not [port for port in service.get("ports", []) if port.endswith(f":{found['port']}")], "it is not public"
    assert services()["worker"]["healthcheck"]["test"][-1] == f"http://127.0.0.1:{found['port']}/metrics"


def test_prometheus_has_the_jobs_and_rules_that_alerts_are_written_for() -> None:
    here, elsewhere = prometheus("prometheus.compose.yml"), prometheus("prometheus.yml")
    assert here["rule_files"] == elsewhere["rule_files"]
    jobs = [[job["job_name"] for job in config["scrape_configs"]] for config in (here, elsewhere)]
    assert jobs[0] == jobs[1]
    assert all((DEPLOY / "prometheus" / file).exists() for file in here["rule_files"])


def test_grafana_finds_its_source_and_dashboards_where_they_are_mounted() -> None:
    provisioned = DEPLOY / "grafana/provisioning"
    mounted = {target: source for source, target, _ in mounts(services()["grafana"])}
    for file in provisioned.glob("dashboards/*.yml"):
        for provider in yaml.safe_load(file.read_text())["providers"]:
            assert mounted[provider["options"]["path"]] == "./grafana/dashboards"
    (elsewhere,) = (yaml.safe_load(file.read_text()) for file in provisioned.glob("datasources/*.yml"))
    here = yaml.safe_load((DEPLOY / mounted["/etc/grafana/provisioning/datasources/prometheus.yml"]).read_text())
    assert here["datasources"][0].pop("url") == "http://prometheus:9090"
    elsewhere["datasources"][0].pop("url")
    assert here == elsewhere


def test_every_volume_and_network_is_used() -> None:
    used = {source for service in services().values() for source, _, _ in mounts(service)}
    assert set(compose()["volumes"]) <= used
    assert set(compose()["networks"]) == {network for service in services().values() for network in service["networks"]}


def test_what_is_waited_for_can_tell_that_it_is_healthy() -> None:
    for name, service in services().items():
        for other, on in service.get("depends_on", {}).items():
            assert on == {"condition": "service_healthy"}, name
            assert other == "photochanger" or "healthcheck" in services()[other]  # the image has its own
            assert set(services()[other].get("profiles", [])) <= set(service.get("profiles", [])), name


@pytest.mark.parametrize("name", services())
def test_no_service_can_write_beside_its_volumes_or_gain_rights(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged", False)
    assert service["restart"] == "unless-stopped"
    assert {"memory", "pids"} <= set(service["deploy"]["resources"]["limits"])
    if name not in OURS:
        assert PINNED.fullmatch(service["image"]), service["image"]


def test_only_the_service_is_reached_from_outside() -> None:
    published = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert set(published) == {"photochanger", "grafana"}
    assert all(port.startswith("127.0.0.1:") for port in published["grafana"])
    assert compose()["networks"]["inside"]["internal"] is True
    assert services()["postgres"]["networks"] == services()["prometheus"]["networks"] == ["inside"]


@pytest.mark.parametrize("name", OURS)
def test_the_service_takes_the_settings_that_it_is_given(name: str, tmp_path: Path) -> None:
    settings = Settings.from_env(settings_of(name, {}))
    assert settings.database_url == f"postgresql://photochanger:{'a' * 48}@postgres:5432/photochanger"
    assert settings.log_format == "json"


def test_no_image_is_built_or_started_without_its_digest() -> None:
    images = [service["image"] for name, service in services().items() if name not in OURS]
    built = [service["build"]["args"]["PYTHON_DIGEST"] for service in services().values() if "build" in service]
    assert len(built) == len(OURS)
    for text in (*images, *built):
        with pytest.raises(KeyError, match="_DIGEST"):
            filled_in(text, {})


def test_the_compose_file_does_not_start_without_the_passwords_that_it_needs() -> None:
    for needed in ("POSTGRES_PASSWORD", "GRAFANA_PASSWORD"):
        with pytest.raises(KeyError, match=needed):
            [settings_of(name, {needed: ""}) for name in services()]


@pytest.mark.parametrize("name", sorted(example_settings() | example_settings("#")))
def test_a_name_in_the_example_is_one_that_somebody_reads(name: str) -> None:
    if name.startswith("PHOTOCHANGER_"):
        with pytest.raises(ConfigurationError) as refused:
            Settings.from_env({name: "\a"})
        assert "no such setting" not in refused.value.detail
    else:
        assert f"${{{name}:" in (DEPLOY / "compose.yml").read_text()


def test_no_secret_is_in_the_repository() -> None:
    assert [value for value in example_settings().values() if value] == []
    tracked = subprocess.run(
        ("git", "check-ignore", "-q", "deploy/.env"), cwd=ROOT, env=os.environ | {"GIT_DIR": str(ROOT / ".git")}
    )
    assert tracked.returncode == 0


def test_a_service_has_the_time_to_stop_that_it_needs() -> None:
    assert {services()[name]["stop_grace_period"] for name in OURS} == {"90s"}
