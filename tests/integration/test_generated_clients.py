"""Clients that are generated from the contract, used as `examples/generated-clients` shows, against a real service."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support import photos
from tests.support.npm_tools import MODULES, ROOT, npm_tool, run_tool
from tests.support.service import PASSWORD, Service, serving

CONTRACT = ROOT / "openapi/photochanger.yaml"
EXAMPLE = ROOT / "examples/generated-clients"
ADMIN_PASSWORD = "the password of the booth's owner"
WITHOUT_A_TYPED_ANSWER = ["WARNING parsing POST /api/ready-check within slots."]
"""A stream of lines, which openapi-python-client does not read."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("home"), workers="1", admin_password=ADMIN_PASSWORD) as running:
        yield running


def use(service: Service, command: Sequence[str], slot_id: str, folder: Path, **environment: str) -> list[str]:
    """The lines of a client that sends a photo; checks the picture that it stored, and what a wrong password gets."""
    photos.store(folder / "photo.jpg", photos.jpeg(640, 480))
    call = (*command, service.address, slot_id, "photo.jpg", "finished.jpg")
    known = os.environ | {"PHOTOCHANGER_INGEST_PASSWORD": PASSWORD, "PHOTOCHANGER_ADMIN_PASSWORD": ADMIN_PASSWORD}
    done = subprocess.run(call, cwd=folder, env=known | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert photos.load(folder / "finished.jpg")[:3] == b"\xff\xd8\xff"
    wrong = known | environment | {"PHOTOCHANGER_INGEST_PASSWORD": "another password"}
    refused = subprocess.run(call, cwd=folder, env=wrong, capture_output=True, text=True)
    assert refused.returncode == 1
    assert refused.stderr.startswith("401: ")
    assert "invalid_password" in refused.stderr
    return done.stdout.splitlines()


def test_a_generated_python_client_does_what_a_booth_and_its_owner_need(service: Service, tmp_path: Path) -> None:
    shutil.copy(EXAMPLE / "booth.py", tmp_path)
    generate = (sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none")
    config = ("--config", str(EXAMPLE / "python-client.yaml"))
    target = ("--path", str(CONTRACT), "--output-path", "photochanger_client")
    made = subprocess.run((*generate, *config, *target), cwd=tmp_path, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout[-3000:] + made.stderr[-3000:]
    said = made.stdout + made.stderr
    assert [line for line in said.splitlines() if line.startswith(("WARNING", "ERROR"))] == WITHOUT_A_TYPED_ANSWER
    picture, *lines = use(service, (sys.executable, "booth.py"), "slot-002", tmp_path)
    assert picture.startswith("picture: ")
    assert lines == [
        "public link: the same picture",
        "slots: 15",
        "job: succeeded, {'Favourite_colour': 'ultramarine', 'guest': 'Ада'}",
        "statistics: 1 of slot-002",
    ]


def test_a_generated_typescript_client_does_what_a_booth_and_its_owner_need(service: Service, tmp_path: Path) -> None:
    for name in ("openapi-typescript", "tsc"):
        npm_tool(name)
    for name in ("booth.ts", "tsconfig.json", "package.json"):
        shutil.copy(EXAMPLE / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(MODULES)
    made = run_tool("openapi-typescript", str(CONTRACT), "--output", "photochanger.ts", folder=tmp_path)
    assert made.returncode == 0, made.stderr[-3000:]
    compiled = run_tool("tsc", folder=tmp_path)
    assert compiled.returncode == 0, compiled.stdout[-3000:]
    picture, *lines = use(service, ("node", "booth.js"), "slot-003", tmp_path)
    assert picture.startswith("picture: ")
    assert lines == [
        "public link: the same picture",
        "slots: 15",
        'job: succeeded, {"Favourite_colour":"ultramarine","guest":"Ада"}',
        "statistics: 1 of slot-003",
    ]
