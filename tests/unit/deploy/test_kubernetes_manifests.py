"""deploy/kubernetes: what the manifests say of each other fits, and their pods are watched and shut in."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from photochanger.core.domain.errors import ConfigurationError
from photochanger.entrypoints.config import Settings

from tests.support.compose_file import DEPLOY

MANIFESTS = [
    manifest
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for manifest in yaml.safe_load_all(path.read_text())
]


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in MANIFESTS if each["kind"] == kind}


DEPLOYMENTS = of_kind("Deployment")


def pod(name: str) -> dict[str, Any]:
    template: dict[str, Any] = DEPLOYMENTS[name]["spec"]["template"]
    return template


def container(name: str) -> dict[str, Any]:
    (only,) = pod(name)["spec"]["containers"]
    found: dict[str, Any] = only
    return found


def selected(selector: dict[str, str]) -> list[str]:
    """The deployments whose pods have these labels."""
    return [name for name in DEPLOYMENTS if selector.items() <= pod(name)["metadata"]["labels"].items()]


def test_there_is_one_of_each() -> None:
    assert set(DEPLOYMENTS) == {"photochanger-serve", "photochanger-worker"}
    assert len({(each["kind"], each["metadata"]["name"]) for each in MANIFESTS}) == len(MANIFESTS)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_what_a_pod_refers_to_is_there(name: str) -> None:
    spec, only = pod(name)["spec"], container(name)
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert {mount["name"] for mount in only["volumeMounts"]} == set(volumes)
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] in of_kind("PersistentVolumeClaim")
    assert [source["secretRef"]["name"] for source in only["envFrom"]] == list(of_kind("Secret"))
    ports = {port["name"] for port in only["ports"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert only[probe]["httpGet"]["port"] in ports
    assert selected(DEPLOYMENTS[name]["spec"]["selector"]["matchLabels"]) == [name]


def test_the_service_leads_to_the_pods_that_serve() -> None:
    (service,) = of_kind("Service").values()
    (name,) = selected(service["spec"]["selector"])
    assert name == "photochanger-serve"
    ports = {port["name"] for port in container(name)["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    assert container(name)["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container(name)["livenessProbe"]["httpGet"]["path"] == "/healthz"


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_prometheus_is_sent_to_the_port_of_the_metrics_which_no_service_leads_to(name: str) -> None:
    annotations = pod(name)["metadata"]["annotations"]
    ports = {port["name"]: port["containerPort"] for port in container(name)["ports"]}
    given = {entry["name"]: entry["value"] for entry in container(name)["env"]}
    assert annotations["prometheus.io/port"] == given["PHOTOCHANGER_METRICS_PORT"] == str(ports["metrics"])
    assert given["PHOTOCHANGER_METRICS_HOST"] == "0.0.0.0"
    assert not [
        s for s in of_kind("Service").values() if "metrics" in {port["targetPort"] for port in s["spec"]["ports"]}
    ]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_data_folder_is_one_that_the_service_makes(name: str) -> None:
    given = {entry["name"]: entry["value"] for entry in container(name)["env"]}
    (mounted,) = [mount["mountPath"] for mount in container(name)["volumeMounts"] if mount["name"] == "data"]
    assert given["PHOTOCHANGER_HOME"].startswith(f"{mounted}/")


def test_each_deployment_keeps_a_pod_while_nodes_are_drained() -> None:
    budgets = of_kind("PodDisruptionBudget").values()
    kept = [selected(budget["spec"]["selector"]["matchLabels"]) for budget in budgets]
    assert sorted(kept) == [["photochanger-serve"], ["photochanger-worker"]]
    assert all(DEPLOYMENTS[name]["spec"]["replicas"] > 1 for name in DEPLOYMENTS)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_is_shut_in(name: str) -> None:
    spec, only = pod(name)["spec"], container(name)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == spec["securityContext"]["fsGroup"] == 10001  # as in the Dockerfile
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    assert spec["terminationGracePeriodSeconds"] == 90
    assert re.fullmatch(r"[a-z./]+:\d+\.\d+\.\d+@sha256:FILL-IN", only["image"])  # which no cluster takes as it stands
    assert "memory" in only["resources"]["limits"]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_gets_settings_that_exist_and_none_that_the_cluster_makes_up(name: str) -> None:
    (secret,) = of_kind("Secret").values()
    given = {entry["name"]: entry["value"] for entry in container(name)["env"]}
    long_enough = {key: value * 8 for key, value in secret["stringData"].items() if "URL" not in key}
    settings = Settings.from_env(given | secret["stringData"] | long_enough)
    assert settings.database_url is not None
    assert pod(name)["spec"]["enableServiceLinks"] is False  # PHOTOCHANGER_PORT=tcp://… would be one of them


def test_what_was_not_filled_in_is_refused() -> None:
    (secret,) = of_kind("Secret").values()
    for key, value in secret["stringData"].items():
        if "URL" not in key:
            with pytest.raises(ConfigurationError, match=key):
                Settings.from_env({key: value})
