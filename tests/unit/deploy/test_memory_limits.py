"""The limits of memory in deploy/ have room for what the bounds on pictures allow, and no more than that."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from photochanger.adapters.imaging.children.limits import MAX_CHILDREN, MIB, memory_of_all
from photochanger.entrypoints.config import Settings

from tests.support.compose_file import DEPLOY, services

SERVE, WORKER, MARGIN = 250 * MIB, 400 * MIB, 256 * MIB
UNITS = {"m": MIB, "Mi": MIB, "g": 1024 * MIB, "Gi": 1024 * MIB}


def bytes_of(text: str) -> int:
    match = re.fullmatch(r"(\d+)(m|Mi|g|Gi)", text)
    assert match is not None, text
    return int(match[1]) * UNITS[match[2]]


def compose_limit(name: str) -> int:
    return bytes_of(services()[name]["deploy"]["resources"]["limits"]["memory"])


def kubernetes_limit(name: str) -> int:
    (deployment,) = (
        each
        for each in yaml.safe_load_all((DEPLOY / "kubernetes" / f"{name}.yaml").read_text())
        if each["kind"] == "Deployment"
    )
    return bytes_of(deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"])


@pytest.mark.parametrize(
    ("limit", "needed"),
    [
        (compose_limit("photochanger"), SERVE + WORKER + 2 * memory_of_all()),
        (compose_limit("worker"), WORKER + memory_of_all()),
        (kubernetes_limit("serve"), SERVE + memory_of_all()),
        (kubernetes_limit("worker"), WORKER + memory_of_all()),
    ],
    ids=["compose", "compose worker", "kubernetes serve", "kubernetes worker"],
)
def test_a_container_has_room_for_the_largest_photos(limit: int, needed: int) -> None:
    assert needed + MARGIN <= limit <= (needed + MARGIN) * 1.1


def test_the_figures_of_the_documentation_are_these() -> None:
    text = (Path(__file__).parents[3] / "docs" / "deployment.md").read_text()
    assert f"| its children | {memory_of_all() // MIB:,} at most | four with 256 MiB each" in text
    assert MAX_CHILDREN == 4
    assert memory_of_all(max_pixels=Settings().max_image_pixels) == memory_of_all()
    assert (f"| `serve` | {SERVE // MIB} |" in text, f"| `worker` | {WORKER // MIB} |" in text) == (True, True)
