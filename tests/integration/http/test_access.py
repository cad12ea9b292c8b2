"""Who may call what: every route without a token, with the wrong one, and with the right one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from photochanger.core.domain.accounts import Permission
from photochanger.entrypoints.http.auth.access import PublicAccess, access_of

from tests.support.administration import described, token_of
from tests.support.api_routes import filled, routes
from tests.support.http_server import Service

pytestmark = pytest.mark.anyio

_PUBLIC = {
    ("POST", "/ingest/{slot_id}"),
    ("POST", "/ingest/by/{style}"),
    ("POST", "/api/login"),
    ("GET", "/public/results/{job_id}"),
    ("GET", "/public/results/{job_id}/thumbnail"),
    ("GET", "/public/media/{media_id}"),
    ("GET", "/public/gallery/{slot_id}"),
    ("GET", "/"),
    ("GET", "/manifest.webmanifest"),
    ("GET", "/gallery/{slot_id}"),
    ("GET", "/ui/{version}/{path}"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/openapi.yaml"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/docs/{asset}"),
}


def guarded() -> Iterator[tuple[str, str, Permission | None]]:
    """The routes that ask for a token, with the permission that they need."""
    for handler, method, path in routes():
        access: Any = access_of(handler)
        if access not in (PublicAccess.PUBLIC, PublicAccess.OWN_PAGE, PublicAccess.METRICS_TOKEN):
            needed = Permission.JOBS_READ if access is PublicAccess.JOB_LINK else access
            yield method, filled(path), needed if isinstance(needed, Permission) else None


def test_only_these_routes_are_open() -> None:
    assert {
        (method, path) for handler, method, path in routes() if access_of(handler) is PublicAccess.PUBLIC
    } == _PUBLIC


def test_only_the_session_is_begun_and_ended_without_a_token() -> None:
    own_page = {(method, path) for handler, method, path in routes() if access_of(handler) is PublicAccess.OWN_PAGE}
    assert own_page == {("POST", "/api/session"), ("DELETE", "/api/session")}


def test_only_the_metrics_are_opened_by_their_own_token() -> None:
    of_metrics = {
        (method, path) for handler, method, path in routes() if access_of(handler) is PublicAccess.METRICS_TOKEN
    }
    assert of_metrics == {("GET", "/metrics")}


async def test_every_other_route_asks_for_a_token(service: Service) -> None:
    asked = 0
    for method, path, _ in guarded():
        answer = await service.client.request(method, path)
        described(answer, 401, "invalid_token")
        assert answer.headers["www-authenticate"] == "Bearer", path
        wrong = await service.client.request(method, path, headers={"Authorization": "Bearer none"})
        described(wrong, 401, "invalid_token")
        assert wrong.headers["www-authenticate"] == 'Bearer error="invalid_token"', path
        asked += 1
    assert asked >= 25


async def test_a_token_that_lacks_the_permission_is_refused_and_that_permission_alone_is_enough(
    service: Service,
) -> None:
    without = {one: await token_of(service, *(each for each in Permission if each is not one)) for one in Permission}
    alone = {one: await token_of(service, one) for one in Permission}
    for method, path, needed in guarded():
        if needed is None or path == "/api/events":  # which never ends; its refusal is tested with the others'
            continue
        refused = await service.client.request(method, path, headers={"Authorization": f"Bearer {without[needed]}"})
        problem = described(refused, 403, "permission_denied")
        assert needed in problem["detail"], path
        let_in = await service.client.request(method, path, headers={"Authorization": f"Bearer {alone[needed]}"})
        assert let_in.status_code not in (401, 403), (method, path, let_in.text)


async def test_events_are_refused_without_the_permission(service: Service) -> None:
    token = await token_of(service, Permission.STATS_READ)
    answer = await service.client.get("/api/events", headers={"Authorization": f"Bearer {token}"})
    described(answer, 403, "permission_denied")


async def test_a_token_with_no_permission_still_says_whose_it_is(service: Service) -> None:
    token = await token_of(service)
    answer = await service.client.get("/api/me", headers={"Authorization": f"bearer {token}"})
    assert answer.json()["permissions"] == []


@pytest.mark.parametrize("given", ["", "Basic YTpi", "Bearer", "Token x", "Bearer a b"])
async def test_what_is_no_bearer_token_is_none(service: Service, given: str) -> None:
    described(await service.client.get("/api/me", headers={"Authorization": given}), 401, "invalid_token")


async def test_a_token_in_the_query_opens_nothing_but_its_own_job(service: Service) -> None:
    token = await token_of(service, *Permission)
    described(await service.client.get(f"/api/slots?token={token}"), 401, "invalid_token")
    made = (await service.ingest(headers={"Prefer": "respond-async"})).json()
    described(await service.client.get(f"/api/jobs/{made['job_id']}?token={token}"), 404, "job_not_found")
    assert (await service.client.get(made["status_url"])).json()["job_id"] == made["job_id"]
