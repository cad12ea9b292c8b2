"""deploy/pin-images: the digests of all images that the files name, looked up by a stand-in for the engine."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.support.compose_file import DEPLOY
from tests.support.dockerfile import ROOT

IMAGES = {
    "PYTHON_DIGEST": "python:3.13-slim-bookworm",
    "POSTGRES_DIGEST": "postgres:18-bookworm",
    "PROMETHEUS_DIGEST": "prom/prometheus:v3.5.0",
    "GRAFANA_DIGEST": "grafana/grafana:12.2.0",
}
ENGINE = """#!/bin/sh
test "$1 $2 $3 $4 $5" = "buildx imagetools inspect --format {{.Manifest.Digest}}" || exit 9
test "$6" != "$ABSENT" || { echo "no such image" >&2; exit 1; }
test -z "$ODD" || { echo "$ODD"; exit 0; }
printf "sha256:"; printf %s "$6" | sha256sum | cut -d " " -f 1
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the files that are read, with an engine that knows every image."""
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "Dockerfile", tmp_path)
    for name in ("pin-images", "compose.yml", ".env.example"):
        shutil.copy(DEPLOY / name, tmp_path / "deploy")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/docker").write_text(ENGINE)
    (tmp_path / "bin/docker").chmod(0o755)
    return tmp_path


def pin(checkout: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    path = f"{checkout / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        (checkout / "deploy/pin-images",),
        cwd="/",
        env={"PATH": path, "ABSENT": "", "ODD": "", **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def given(checkout: Path) -> dict[str, str]:
    lines = (checkout / "deploy/.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_every_image_gets_its_digest_and_nothing_else_changes(checkout: Path) -> None:
    env = checkout / "deploy/.env"
    env.write_text((checkout / "deploy/.env.example").read_text().replace("GRAFANA_PASSWORD=", "GRAFANA_PASSWORD=a=b"))
    before = given(checkout)
    for _ in range(2):
        done = pin(checkout)
        assert done.returncode == 0, done.stderr
        digests = {name: f"sha256:{hashlib.sha256(image.encode()).hexdigest()}" for name, image in IMAGES.items()}
        assert given(checkout) == before | digests
        assert env.read_text().count("_DIGEST=") == len(IMAGES)
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert sorted(path.name for path in (checkout / "deploy").iterdir()) == [
        ".env",
        ".env.example",
        "compose.yml",
        "pin-images",
    ]


@pytest.mark.parametrize(
    ("environ", "said"),
    [({"ABSENT": "postgres:18-bookworm"}, "no such image"), ({"ODD": "sha256:12"}, "has no digest, but: sha256:12")],
)
def test_an_image_without_a_digest_changes_nothing(checkout: Path, environ: dict[str, str], said: str) -> None:
    env = checkout / "deploy/.env"
    env.write_text("POSTGRES_PASSWORD=x\n")
    done = pin(checkout, **environ)
    assert done.returncode != 0
    assert said in done.stderr
    assert env.read_text() == "POSTGRES_PASSWORD=x\n"
    assert len(list((checkout / "deploy").iterdir())) == 4


def test_without_an_env_file_it_says_what_to_do(checkout: Path) -> None:
    done = pin(checkout)
    assert done.returncode == 1
    assert "copy .env.example" in done.stderr
