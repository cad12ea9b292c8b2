"""The contract against the routes, against its own rules, and against a live server under hostile requests."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from http_server import serving
from openapi_spec_validator import validate
from photochanger.core.errors import PhotoChangerError
from photochanger.entrypoints.http.app import ROUTES
from photochanger.entrypoints.http.contract_file import contract_path
from photochanger.entrypoints.http.errors import STATUS

CONTRACT: dict[str, Any] = yaml.safe_load(contract_path().read_text())
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


def operations() -> set[tuple[str, str]]:
    return {(method, path) for path, item in CONTRACT["paths"].items() for method in item if method in METHODS}


def test_the_routes_are_those_of_the_contract() -> None:
    served = {
        (method.lower(), re.sub(r"\{(\w+):\w+\}", r"{\1}", path))
        for route in ROUTES
        for path in route.paths
        for method in route.http_methods
    }
    assert served == operations()


def test_the_contract_is_valid_openapi() -> None:
    validate(CONTRACT)


def test_every_status_of_the_error_table_is_in_the_contract_with_its_code() -> None:
    told = str(CONTRACT)
    internal = {"invalid_settings", "schema_outdated", "worker_missing"}  # of later rows, and inside of /readyz
    internal.add("method_not_allowed")  # of methods that the contract does not have
    assert {code for code in STATUS if code not in internal and code not in told} == set()


def test_every_error_of_the_core_has_a_status() -> None:
    def kinds(kind: type[PhotoChangerError]) -> Iterator[type[PhotoChangerError]]:
        yield kind
        for below in kind.__subclasses__():
            yield from kinds(below)

    at_the_start = {"configuration_error"}
    codes = {kind.code for kind in kinds(PhotoChangerError) if kind.__module__.startswith("photochanger.")}
    assert codes - at_the_start <= STATUS.keys()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service on a thread of its own; a wrong password of a generated form must not lock it up."""
    address: list[str] = []
    started, stop = threading.Event(), threading.Event()

    async def serve(home: Path) -> None:
        async with serving(home) as service:
            address.append(f"http://127.0.0.1:{service.port}")
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve(tmp_path_factory.mktemp("live"))))
    thread.start()
    assert started.wait(60)
    yield address[0]
    stop.set()
    thread.join(60)


def test_the_contract_is_served_as_it_stands_and_as_json(live: str) -> None:
    as_yaml = httpx.get(f"{live}/openapi.yaml")
    assert as_yaml.content == contract_path().read_bytes()
    assert as_yaml.headers["content-type"] == "application/yaml"
    assert httpx.get(f"{live}/openapi.json").json() == CONTRACT
    assert httpx.get(f"{live}/openapi.json", headers={"If-None-Match": "x"}).status_code == 200


def test_hostile_requests_get_answers_of_the_contract(live: str, tmp_path: Path) -> None:
    """Every check of schemathesis, with data that fits the contract and data that does not."""
    run = subprocess.run(
        (
            *(sys.executable, "-m", "schemathesis.cli", "run", str(contract_path()), "--url", live),
            *("--mode", "all", "--phases", "examples,coverage,fuzzing", "--max-examples", "20"),
            *("--checks", "all", "--seed", "1", "--no-color", "--generation-database", "none"),
        ),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
