"""The contract and the service: the same routes, the same codes, and answers as they are described."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from openapi_spec_validator import validate
from photochanger.core.domain.accounts import Permission
from photochanger.entrypoints.http.app import ROUTES
from photochanger.entrypoints.http.auth.access import PublicAccess, access_of

from tests.support import photos
from tests.support.contract_compat import resolved
from tests.support.plain_http import NO_TLS
from tests.support.service import Service, serving

CONTRACT = Path(__file__).parents[2] / "openapi" / "photochanger.yaml"
DESCRIBED = yaml.safe_load(CONTRACT.read_text())


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The whole service; generated requests are refused long before they cost a picture."""
    with serving(tmp_path_factory.mktemp("contract"), workers="1", sync_response_seconds="60") as running:
        yield running


def test_the_contract_is_valid_openapi() -> None:
    validate(DESCRIBED)


def test_the_contract_and_the_routes_are_the_same_set() -> None:
    described = {
        (method.upper(), path)
        for path, operations in DESCRIBED["paths"].items()
        for method in operations
        if method != "parameters"
    }
    # A key at the end of an address is taken out before the routes see it.
    keyed = {(method, path) for method, path in described if path.endswith("/k/{key}")}
    assert {path.removesuffix("/k/{key}") for _, path in keyed} == {"/ingest/{slot_id}", "/ingest/by/{style}"}
    served = {
        (str(method), re.sub(r"{(\w+):\w+}", r"{\1}", path))
        for handler in ROUTES
        for path in handler.paths
        for method in handler.http_methods
    }
    assert described - keyed == served


def test_the_contract_says_who_may_call_each_route() -> None:
    for handler in ROUTES:
        access = access_of(handler)
        for path in handler.paths:
            for method in handler.http_methods:
                operation = DESCRIBED["paths"][re.sub(r"{(\w+):\w+}", r"{\1}", path)][str(method).lower()]
                assert (access is PublicAccess.PUBLIC) == (operation["security"] == []), path
                if isinstance(access, Permission):
                    assert f"`{access}`" in operation["description"], path


def test_the_contract_is_served_as_it_stands(service: Service) -> None:
    with service.client() as client:
        assert client.get("/openapi.yaml").content == CONTRACT.read_bytes()
        assert client.get("/openapi.json").json() == yaml.safe_load(CONTRACT.read_text())


def test_an_answer_with_a_picture_is_as_described(service: Service) -> None:
    answer = service.send(photos.jpeg(640, 480))
    described = resolved(DESCRIBED, DESCRIBED["paths"]["/ingest/{slot_id}"]["post"]["responses"]["200"])
    assert answer.headers["content-type"] in described["content"]
    for name in described["headers"]:
        assert name in answer.headers, name
    accepted = service.send(photos.jpeg(640, 480), Prefer="respond-async")
    schema = DESCRIBED["components"]["schemas"]
    assert set(accepted.json()) == set(schema["Accepted"]["properties"])
    with service.client() as client:
        job = client.get(accepted.headers["location"]).json()
    assert set(job) == set(schema["Job"]["properties"])


def test_the_documentation_page_asks_no_other_host(service: Service) -> None:
    with service.client() as client:
        page = client.get("/docs")
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert not re.search(r'(src|href)="(https?:)?//', page.text)
        for asset in re.findall(r'(?:src|href)="(docs/[^"]+)"', page.text):
            assert client.get(f"/{asset}").status_code == 200


def test_a_method_that_is_not_there_is_a_problem_with_the_allowed_ones(service: Service) -> None:
    answer = httpx.delete(f"{service.address}/ingest/slot-001", verify=NO_TLS)
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert "POST" in answer.headers["allow"]
