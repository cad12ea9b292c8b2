"""What every answer has in common, errors of the framework, health, the docs pages, and life inside another app."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from photochanger import Settings, create_app
from photochanger.adapters.filesystem import FilesystemMediaStore
from photochanger.adapters.memory import memory_adapters
from photochanger.core.domain.errors import StorageUnavailable
from photochanger.core.ports.media_service import MediaService

from tests.support.administration import Administrator, described
from tests.support.http_server import FORM, PASSWORD, Service, form, running, serving
from tests.support.plain_http import NO_TLS
from tests.support.service import HANG_SECONDS, LONG_WINDOW

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/ui",
        "/ui/0/main.js",
        "/gallery",
        "/ingest",
        "/ingest/",
        "/public/results",
        "/api/nothing",
        "/docs/none.js",
    ],
)
async def test_an_unknown_address_is_a_problem(service: Service, path: str) -> None:
    answer = await service.client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not_found"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/public/results/{}", "not_found"),
        ("GET", "/public/results/{}/thumbnail", "not_found"),
        ("GET", "/public/media/{}", "not_found"),
        ("GET", "/api/jobs/{}", "job_not_found"),
        ("GET", "/api/jobs/{}?token=x", "job_not_found"),
        ("GET", "/api/jobs/{}/logs", "job_not_found"),
        ("GET", "/api/jobs/{}/photo", "job_not_found"),
        ("POST", "/api/jobs/{}/cancel", "job_not_found"),
        ("GET", "/api/template-media/{}", "template_not_found"),
        ("GET", "/api/template-media/{}/thumbnail", "template_not_found"),
        ("DELETE", "/api/template-media/{}", "template_not_found"),
        ("POST", "/api/webhooks/deliveries/{}/redeliver", "webhook_not_found"),
    ],
)
async def test_malformed_id_is_answered_like_an_unknown_one(
    admin: Administrator, method: str, path: str, code: str
) -> None:
    for id in ("01980000-0000-7000-8000-000000000000", "01980000"):
        described(await admin(method, path.format(id)), 404, code)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/ingest/slot-001", {"POST"}),
        ("DELETE", "/healthz", {"GET"}),
        ("POST", "/public/results/x", {"GET", "HEAD"}),
        ("PATCH", "/docs", {"GET"}),
    ],
)
async def test_a_wrong_method_is_a_problem_that_says_what_is_allowed(
    service: Service, method: str, path: str, allowed: set[str]
) -> None:
    answer = await service.client.request(method, path)
    assert answer.status_code == 405
    assert answer.json()["code"] == "method_not_allowed"
    assert allowed <= {name.strip() for name in answer.headers["allow"].split(",")}


async def test_options_tells_the_methods(service: Service) -> None:
    answer = await service.client.options("/healthz")
    assert answer.status_code == 204
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("given", ["abc", "A-1_b.c", "x" * 128])
async def test_a_well_formed_request_id_is_taken_over(service: Service, given: str) -> None:
    answer = await service.client.get("/healthz", headers={"X-Request-Id": given})
    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "<script>", "ä"])
async def test_another_request_id_is_replaced(service: Service, given: str) -> None:
    sent = {"X-Request-Id": given.encode("latin-1")}
    answer = await service.client.get("/nothing", headers=sent)  # type: ignore[arg-type]
    assert len(answer.headers["x-request-id"]) == 32
    assert answer.headers["x-request-id"] != given


async def test_an_unforeseen_error_is_logged_whole_and_told_in_general(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("the secret inside")

    monkeypatch.setattr(await service.opened.container.get(MediaService), "public_result", broken)
    with caplog.at_level(logging.ERROR):
        answer = await service.client.get("/public/results/01980000-0000-7000-8000-000000000000")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "secret" not in answer.text
    assert "the secret inside" in caplog.text


async def test_the_service_is_live_and_ready(service: Service) -> None:
    assert (await service.client.get("/healthz")).json() == {"status": "live"}
    ready = await service.client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["status"] == "ready"
    for path in ("/healthz", "/readyz"):
        probe = await service.client.head(path)
        assert (probe.status_code, probe.content) == (200, b"")


async def test_a_part_that_does_not_work_is_named_by_readyz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(store: FilesystemMediaStore) -> None:
        raise StorageUnavailable("The media store has no space left.")

    monkeypatch.setattr(FilesystemMediaStore, "check", full)
    async with serving(tmp_path) as service:
        answer = await service.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["store"] == {
        "ok": False,
        "detail": "The media store has no space left.",
        "code": "storage_unavailable",
    }
    assert answer.json()["status"] == "not_ready"


async def test_the_docs_page_loads_everything_from_here_and_runs_no_inline_script(service: Service) -> None:
    page = await service.client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
    assert "http://" not in page.text
    assert "https://" not in page.text
    for asset in ("docs.js", "docs.css", "swagger-ui-bundle.js", "swagger-ui.css"):
        assert f'docs/{asset}"' in page.text
        answer = await service.client.get(f"/docs/{asset}")
        assert answer.status_code == 200
        again = await service.client.get(f"/docs/{asset}", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304


@pytest.mark.parametrize("kept", [True, False], ids=["prefix-kept-in-path", "prefix-cut-from-path"])
async def test_mounted_in_another_app_links_carry_the_prefix(tmp_path: Path, kept: bool) -> None:
    settings = Settings(home=tmp_path, ingest_password=PASSWORD, workers=2, sync_response=LONG_WINDOW)
    photochanger = create_app(settings, adapters=memory_adapters())

    async def host(scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"] if kept else scope["path"].removeprefix("/photos")
        await photochanger({**scope, "root_path": "/photos", "path": path}, receive, send)

    async with (
        photochanger.lifespan(),
        running(host) as port,
        httpx.AsyncClient(verify=NO_TLS, timeout=HANG_SECONDS) as client,
    ):
        base = f"http://127.0.0.1:{port}/photos"
        answer = await client.post(f"{base}/ingest/slot-001", content=form(), headers={"Content-Type": FORM})
        assert answer.status_code == 200, answer.text
        link = answer.headers["link"]
        assert link.startswith(f"<{base}/public/results/")
        assert (await client.get(link[1 : link.index(">")])).content == answer.content
        manifest = (await client.get(f"{base}/manifest.webmanifest")).json()
        assert manifest["start_url"] == manifest["scope"] == manifest["id"] == "/photos/"
        icon = f"http://127.0.0.1:{port}{manifest['icons'][0]['src']}"
        assert (await client.get(icon)).headers["content-type"] == "image/png"


async def test_configured_links_begin_as_configured(tmp_path: Path) -> None:
    async with serving(tmp_path, public_base_url="https://booth.example/photos") as service:
        answer = await service.ingest()
        assert answer.headers["link"].startswith("<https://booth.example/photos/public/results/")


@pytest.mark.parametrize("host", ['evil"><script>', "a b", "x" * 30 + "/path", ""])
async def test_a_host_header_that_is_none_is_refused(service: Service, host: str) -> None:
    answer = await service.ingest(headers={"Host": host})
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_request"
    assert "script" not in answer.text
