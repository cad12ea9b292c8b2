"""deploy/kubernetes: what the manifests say of each other fits, and their pods are watched and shut in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from photochanger.core.domain.errors import ConfigurationError
from photochanger.entrypoints.config import Settings

from tests.support.compose_file import DEPLOY

KUBERNETES = DEPLOY / "kubernetes"
SHARED = KUBERNETES / "shared-volume"
S3 = {
    f"PHOTOCHANGER_S3_{name}"
    for name in ("ENDPOINT", "BUCKET", "REGION", "PREFIX", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
}


def read(path: Path) -> list[dict[str, Any]]:
    return [*yaml.safe_load_all(path.read_text())]


MANIFESTS = [
    manifest
    for path in sorted(KUBERNETES.rglob("*.yaml"))
    if path.name != "kustomization.yaml"
    for manifest in read(path)
]


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {name_of(each): each for each in MANIFESTS if each["kind"] == kind}


def name_of(manifest: dict[str, Any]) -> str:
    metadata: dict[str, str] = manifest["metadata"]
    return metadata.get("name") or metadata["generateName"]


def settings_of(given: dict[str, str]) -> Settings:
    """The settings of an environment; those of an object store where this version has them."""
    known = {f"PHOTOCHANGER_{field.upper()}" for field in Settings.__struct_fields__}
    return Settings.from_env({name: value for name, value in given.items() if name not in S3 - known})


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
    assert len({(each["kind"], name_of(each)) for each in MANIFESTS}) == len(MANIFESTS)


def test_what_kustomize_puts_together_is_there() -> None:
    (base,), (shared,) = read(KUBERNETES / "kustomization.yaml"), read(SHARED / "kustomization.yaml")
    own = [manifest for name in base["resources"] for manifest in read(KUBERNETES / name)]
    assert {each["kind"] for each in own} == {"Deployment", "Service", "PodDisruptionBudget"}
    assert shared["resources"][0] == ".."
    (claim,) = [manifest for name in shared["resources"][1:] for manifest in read(SHARED / name)]
    assert (claim["kind"], claim["spec"]["accessModes"]) == ("PersistentVolumeClaim", ["ReadWriteMany"])


def test_no_pod_has_a_volume_of_the_cluster_unless_the_patch_gives_it_one() -> None:
    (shared,) = read(SHARED / "kustomization.yaml")
    (patch,) = shared["patches"]
    assert patch["target"] == {"kind": "Deployment"}
    expected, replaced = yaml.safe_load(patch["patch"])
    assert (expected["op"], replaced["op"]) == ("test", "replace")
    for name in DEPLOYMENTS:
        volumes = pod(name)["spec"]["volumes"]
        assert all(set(volume) == {"name", "emptyDir"} for volume in volumes)
        place = replaced["path"].removeprefix("/spec/template/spec/volumes/")
        assert expected["path"] == f"/spec/template/spec/volumes/{place}/name"
        assert volumes[int(place)]["name"] == expected["value"] == replaced["value"]["name"]
    assert replaced["value"]["persistentVolumeClaim"]["claimName"] in of_kind("PersistentVolumeClaim")


def test_old_pods_serve_until_new_ones_are_ready() -> None:
    for deployment in DEPLOYMENTS.values():
        assert deployment["spec"]["strategy"] == {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
        }
    pause = container("photochanger-serve")["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pause > container("photochanger-serve")["readinessProbe"]["periodSeconds"]


def test_the_migration_job_is_a_pod_of_the_same_image_and_secret() -> None:
    (job,) = of_kind("Job").values()
    spec, serve = job["spec"]["template"]["spec"], pod("photochanger-serve")["spec"]
    (own,) = spec["containers"]
    assert own["args"] == ["migrate"]
    same = ("image", "envFrom", "securityContext", "volumeMounts")
    assert {name: own[name] for name in same} == {name: serve["containers"][0][name] for name in same}
    assert {volume["name"] for volume in spec["volumes"]} == {mount["name"] for mount in own["volumeMounts"]}
    assert spec["enableServiceLinks"] is False
    assert selected(job["spec"]["template"]["metadata"]["labels"]) == [], "it gets no requests"


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_what_a_pod_refers_to_is_there(name: str) -> None:
    spec, only = pod(name)["spec"], container(name)
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert {mount["name"] for mount in only["volumeMounts"]} == set(volumes)
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
    assert all(budget["spec"]["maxUnavailable"] == 1 for budget in budgets)
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
    assert re.fullmatch(r"[a-z./]+:\d+\.\d+\.\d+@sha256:FILL-IN", only["image"])  # which no cluster takes as it stands
    assert "memory" in only["resources"]["limits"]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_gets_settings_that_exist_and_none_that_the_cluster_makes_up(name: str) -> None:
    (secret,) = of_kind("Secret").values()
    given = {entry["name"]: entry["value"] for entry in container(name)["env"]}
    long_enough = {key: value * 8 for key, value in secret["stringData"].items() if "URL" not in key and key not in S3}
    settings = settings_of(given | secret["stringData"] | long_enough)
    assert settings.database_url is not None
    assert settings.secret_key is not None
    assert settings.metrics_token is not None
    assert {key for key in secret["stringData"] if "S3" in key} == S3
    assert pod(name)["spec"]["enableServiceLinks"] is False  # PHOTOCHANGER_PORT=tcp://… would be one of them


def test_what_was_not_filled_in_is_refused() -> None:
    (secret,) = of_kind("Secret").values()
    for key, value in secret["stringData"].items():
        if "URL" not in key and key not in S3:
            with pytest.raises(ConfigurationError, match=key):
                Settings.from_env({key: value})
