"""The session of a browser: signed in by a cookie, and every way in which another page could misuse it."""

from __future__ import annotations

from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Any

import httpx
import pytest
from photochanger.core.domain.accounts import COMMAND_LINE, IDLE_LIMIT, MAX_FAILURES, TOKEN_LIFE
from photochanger.core.services.auth.admins import AdminService
from photochanger.entrypoints.http.auth.access import PublicAccess, access_of

from tests.support.administration import ADMIN, ADMIN_PASSWORD, Administrator, described, sign_in
from tests.support.api_routes import filled, routes
from tests.support.http_server import Service, serving

pytestmark = pytest.mark.anyio

CREDENTIALS = {"username": ADMIN, "password": ADMIN_PASSWORD}
OWN = {"X-PhotoChanger-CSRF": "1"}
"""What the page sends with whatever changes something."""

OTHERS_DOING = {
    "without the header": {},
    "with the header as a form could not send it either": {"X-PhotoChanger-CSRF": "0"},
    "from another site": OWN | {"Sec-Fetch-Site": "cross-site"},
    "from a neighbouring host": OWN | {"Sec-Fetch-Site": "same-site"},
    "from nowhere": OWN | {"Sec-Fetch-Site": "none"},
    "from another origin": OWN | {"Origin": "https://elsewhere.example"},
    "from another port": OWN | {"Origin": "http://127.0.0.1:1"},
    "from a page without an origin": OWN | {"Origin": "null"},
    "from an origin that is none": OWN | {"Origin": "http://[1"},
}


async def begin(service: Service, body: object = CREDENTIALS, **headers: str) -> httpx.Response:
    """A browser signs in; no cookie is kept by the client, so that each request says what it sends."""
    answer = await service.client.post("/api/session", json=body, headers=OWN | headers)
    service.client.cookies.clear()
    return answer


def cookie_of(answer: httpx.Response) -> Morsel[str]:
    """The one cookie that an answer sets."""
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    return cookie


async def signed_in(service: Service, **credentials: str) -> dict[str, str]:
    """The Cookie header of somebody's session."""
    answer = await begin(service, CREDENTIALS | credentials)
    assert answer.status_code == 200, answer.text
    cookie = cookie_of(answer)
    return {"Cookie": f"{cookie.key}={cookie.value}"}


async def test_a_browser_signs_in_reads_changes_and_signs_out(service: Service, admin: Administrator) -> None:
    answer = await begin(service)
    cookie = cookie_of(answer)
    assert (cookie.key, cookie["path"], cookie["samesite"]) == ("photochanger", "/", "Strict")
    assert cookie["httponly"]
    assert not cookie["secure"]
    assert not cookie["domain"]
    assert int(cookie["max-age"]) == IDLE_LIMIT.total_seconds()
    assert 0 < answer.json()["expires_in_sec"] <= TOKEN_LIFE.total_seconds()
    assert cookie.value not in answer.text
    assert answer.headers["cache-control"] == "no-store"

    session = {"Cookie": f"{cookie.key}={cookie.value}"}
    me = await service.client.get("/api/me", headers=session)
    assert me.json() | {"expires_in_sec": 0} == answer.json() | {"expires_in_sec": 0}
    assert cookie.value not in me.text
    async with service.client.stream("GET", "/api/events", headers=session) as events:
        assert events.status_code == 200
    from_here = session | OWN | {"Sec-Fetch-Site": "same-origin", "Origin": f"http://127.0.0.1:{service.port}"}
    changed = await service.client.put("/api/settings", json={"max_active_jobs": 65}, headers=from_here)
    assert changed.status_code == 200, changed.text
    assert (await admin.audit("settings_changed"))[0]["actor"] == ADMIN

    ended = await service.client.delete("/api/session", headers=from_here)
    assert ended.status_code == 204
    gone = cookie_of(ended)
    assert (gone.key, gone.value, gone["max-age"], gone["path"]) == ("photochanger", "", "0", "/")
    assert [entry["target"] for entry in await admin.audit("logout")] == [ADMIN]
    assert len(await admin.audit("login")) == 1


async def test_pictures_of_templates_are_shown_by_the_cookie(service: Service, admin: Administrator) -> None:
    made = await admin.upload("/api/template-media/register", slot_id="slot-005", setting_key="frame")
    assert made.status_code == 201, made.text
    template = f"/api/template-media/{made.json()['id']}"
    assert (await service.client.get(template)).status_code == 401
    assert (await service.client.get(template, headers=await signed_in(service))).status_code == 200


async def test_whatever_changes_something_is_refused_to_other_pages(service: Service) -> None:
    session = await signed_in(service)
    asked = 0
    for handler, method, path in routes():
        access = access_of(handler)
        if access is PublicAccess.PUBLIC or method == "GET":
            continue
        for why, headers in OTHERS_DOING.items():
            answer = await service.client.request(method, filled(path), headers=session | headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "csrf_refused"), (method, path, why)
            assert "set-cookie" not in answer.headers
        asked += 1
    assert asked >= 14
    assert (await service.client.get("/api/me", headers=session)).status_code == 200


async def test_nobody_is_signed_in_by_another_page(service: Service) -> None:
    for why, headers in OTHERS_DOING.items():
        answer = await service.client.post("/api/session", json=CREDENTIALS, headers=headers)
        assert "set-cookie" not in answer.headers, why
        described(answer, 403, "csrf_refused")


async def test_a_token_needs_no_proof_of_where_the_request_began_and_goes_before_the_cookie(service: Service) -> None:
    admin = await sign_in(service)
    foreign = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    answer = await admin("PUT", "/api/settings", json_body={"max_active_jobs": 65}, headers=foreign)
    assert answer.status_code == 200, answer.text
    both = await signed_in(service) | {"Authorization": "Bearer none"}
    described(await service.client.get("/api/me", headers=both), 401, "invalid_token")


async def test_a_cookie_that_holds_no_more_is_told_so_and_can_still_be_taken_away(service: Service) -> None:
    admins: Any = await service.opened.container.get(AdminService)
    await admins.add("eve", "a good password", permissions=[], by=COMMAND_LINE)
    eve = await signed_in(service, username="eve", password="a good password")
    described(await service.client.get("/api/slots", headers=eve), 403, "permission_denied")
    await admins.disable("eve", by=COMMAND_LINE)
    described(await service.client.get("/api/me", headers=eve), 401, "invalid_token")
    described(await service.client.put("/api/settings", json={}, headers=eve), 401, "invalid_token")
    refused = await begin(service, {"username": "eve", "password": "a good password"})
    described(refused, 401, "invalid_credentials")
    assert "set-cookie" not in refused.headers
    ended = await service.client.delete("/api/session", headers=eve | OWN)
    assert (ended.status_code, cookie_of(ended)["max-age"]) == (204, "0")


async def test_wrong_passwords_are_counted_with_those_of_logins(service: Service) -> None:
    wrong = CREDENTIALS | {"password": "not this one"}
    service.clock.stop()  # what is counted by the minute is counted in one
    for turn in range(MAX_FAILURES):
        answer = await (begin(service, wrong) if turn % 2 else service.client.post("/api/login", json=wrong))
        described(answer, 401, "invalid_credentials")
    described(await begin(service, wrong), 429, "too_many_attempts")
    described(await service.client.post("/api/login", json=wrong), 429, "too_many_attempts")
    assert (await begin(service)).status_code == 200


async def test_over_tls_only_a_cookie_of_this_very_host_counts(tmp_path: Path) -> None:
    public = {"Host": "booth.example"}
    async with serving(tmp_path, public_base_url="https://booth.example") as service:
        cookie = cookie_of(await begin(service, **public))
        assert (cookie.key, cookie["path"], cookie["secure"]) == ("__Host-photochanger", "/", True)
        assert (cookie["httponly"], cookie["samesite"], cookie["domain"]) == (True, "Strict", "")
        good = public | {"Cookie": f"__Host-photochanger={cookie.value}"}
        assert (await service.client.get("/api/me", headers=good)).status_code == 200
        planted = public | {"Cookie": f"photochanger={cookie.value}"}
        described(await service.client.get("/api/me", headers=planted), 401, "invalid_token")
        settings = {"max_active_jobs": 65}
        changed = await service.client.put(
            "/api/settings", json=settings, headers=good | OWN | {"Origin": "https://booth.example"}
        )
        assert changed.status_code == 200, changed.text
        ended = cookie_of(await service.client.delete("/api/session", headers=good | OWN))
        assert (ended.key, ended["secure"], ended["max-age"]) == ("__Host-photochanger", True, "0")
        # In the booth's own network the same service is asked without TLS, where a browser keeps no such cookie.
        plain = cookie_of(await begin(service))
        assert (plain.key, plain["secure"]) == ("photochanger", "")


async def test_a_proxy_that_ends_tls_and_does_not_say_so_still_gets_the_cookie_of_tls(service: Service) -> None:
    answer = await begin(service, Host="booth.example", Origin="https://booth.example")
    assert cookie_of(answer).key == "__Host-photochanger"
