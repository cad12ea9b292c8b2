"""Administrators over HTTP: added, changed, disabled by an owner; the own password."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.support.administration import ADMIN, ADMIN_PASSWORD, Administrator, described, fields_of, sign_in
from tests.support.http_server import Service

pytestmark = pytest.mark.anyio

PATH = "/api/admins"
NEW = "seven booths in the rain"
OWN = {"X-PhotoChanger-CSRF": "1"}


async def added(admin: Administrator, username: str = "grace", role: str = "operator") -> Administrator:
    """A new administrator who has signed in with the generated password."""
    answer = await admin("POST", PATH, json_body={"username": username, "role": role})
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return await sign_in(admin.service, username, answer.json()["password"])


async def changed(admin: Administrator, username: str, **change: Any) -> dict[str, Any]:
    answer = await admin("PATCH", f"{PATH}/{username}", json_body=change)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def status(admin: Administrator, path: str = "/api/me") -> int:
    return (await admin("GET", path)).status_code


async def test_the_list_says_role_last_sign_in_and_state_but_no_password(admin: Administrator) -> None:
    await added(admin)
    await admin("POST", PATH, json_body={"username": "Joan", "role": "viewer"})
    await changed(admin, "joan", disabled=True)
    answer = await admin("GET", PATH)
    assert "password" not in answer.text
    listed = {one["username"]: one for one in answer.json()["items"]}
    assert {name: one["role"] for name, one in listed.items()} == {
        ADMIN: "owner",
        "grace": "operator",
        "joan": "viewer",
    }
    signed_in, created = (datetime.fromisoformat(listed["grace"][name]) for name in ("last_login_at", "created_at"))
    assert signed_in > created
    assert listed["joan"]["last_login_at"] is None
    assert [one["disabled_at"] is None for one in listed.values()] == [True, True, False]
    assert (await admin("GET", PATH, headers={"If-None-Match": answer.headers["etag"]})).status_code == 304


async def test_an_operator_runs_the_evening_and_a_viewer_watches(admin: Administrator) -> None:
    operator, viewer = await added(admin), await added(admin, "joan", "viewer")
    assert (await operator.change_slot("slot-001", name="Gala")).status_code == 200
    described(await viewer.change_slot("slot-001", name="Party"), 403, "permission_denied")
    for one in (operator, viewer):
        for path in ("/api/settings", "/api/jobs", "/api/stats/global", "/api/audit"):
            assert await status(one, path) == 200
        described(await one("PUT", "/api/settings", json_body={}), 403, "permission_denied")
        described(await one("GET", PATH), 403, "permission_denied")
        described(await one("POST", PATH, json_body={}), 403, "permission_denied")
        described(await one("PATCH", f"{PATH}/{ADMIN}", json_body={}), 403, "permission_denied")


async def test_a_new_role_and_disabling_hold_for_those_who_are_signed_in(admin: Administrator) -> None:
    grace = await added(admin)
    assert (await changed(admin, "grace", role="owner"))["role"] == "owner"
    assert await status(grace, PATH) == 200
    await changed(admin, "grace", role="viewer")
    assert await status(grace, PATH) == 403
    await changed(admin, "grace", disabled=True)
    described(await grace("GET", "/api/me"), 401, "invalid_token")
    assert (await changed(admin, "grace", disabled=False))["disabled_at"] is None
    described(await grace("GET", "/api/me"), 401, "invalid_token")
    (entry, *_) = await admin.audit("admin_role_changed")
    assert (entry["actor"], entry["target"], entry["detail"]) == (ADMIN, "grace", {"role": "viewer"})


async def test_a_reset_password_is_shown_once_and_ends_sessions(admin: Administrator) -> None:
    grace = await added(admin)
    password = (await changed(admin, "grace", reset_password=True))["password"]
    described(await grace("GET", "/api/me"), 401, "invalid_token")
    await sign_in(admin.service, "grace", password)
    assert "password" not in await changed(admin, "grace", role="viewer")
    assert password not in (await admin("GET", "/api/audit")).text


async def test_the_last_owner_stays_one(admin: Administrator) -> None:
    for change, field in (({"role": "viewer"}, "role"), ({"disabled": True, "reset_password": True}, "disabled")):
        problem = described(await admin("PATCH", f"{PATH}/{ADMIN}", json_body=change), 422, "invalid_settings")
        assert [(one["field"], one["code"]) for one in problem["errors"]] == [(field, "last_administrator")]
    assert await status(admin) == 200  # nothing was reset
    await added(admin, "grace", "owner")
    assert (await changed(admin, ADMIN, role="viewer"))["role"] == "viewer"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"username", "role"}),
        ({"username": "Ada Lovelace", "role": "viewer"}, {"username"}),
        ({"username": "ada", "role": "custom"}, {"role"}),
        ({"username": "ada", "role": "owner", "password": NEW}, {"password"}),
    ],
)
async def test_what_is_no_new_administrator_is_refused(
    admin: Administrator, body: dict[str, str], fields: set[str]
) -> None:
    assert fields_of(described(await admin("POST", PATH, json_body=body), 422, "invalid_settings")) == fields


async def test_names_that_are_taken_or_unknown(admin: Administrator) -> None:
    described(await admin("POST", PATH, json_body={"username": "ADMIN", "role": "owner"}), 409, "admin_exists")
    for name in ("nobody", "%00", "a" * 300, "%F0%9F%92%A5"):
        for change in ({"disabled": True}, {"reset_password": True}):
            described(await admin("PATCH", f"{PATH}/{name}", json_body=change), 404, "admin_not_found")
    for change in ({"role": None}, {"disabled": "yes"}, {"reset_password": 1}, {"username": "x"}):
        described(await admin("PATCH", f"{PATH}/{ADMIN}", json_body=change), 422, "invalid_settings")


async def test_the_own_password_of_a_browser_keeps_its_session_and_ends_the_others(service: Service) -> None:
    credentials = {"username": ADMIN, "password": ADMIN_PASSWORD}
    program = await sign_in(service)
    begun = await service.client.post("/api/session", json=credentials, headers=OWN)
    service.client.cookies.clear()
    cookie = {"Cookie": begun.headers["set-cookie"].partition(";")[0]}
    body = {"current_password": ADMIN_PASSWORD, "new_password": NEW}
    described(await service.client.put("/api/me/password", json=body, headers=cookie), 403, "csrf_refused")
    answer = await service.client.put("/api/me/password", json=body, headers=cookie | OWN)
    service.client.cookies.clear()
    assert (answer.status_code, answer.content) == (204, b"")
    renewed = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
    assert (await service.client.get("/api/me", headers=renewed)).status_code == 200
    described(await service.client.get("/api/me", headers=cookie), 401, "invalid_token")
    described(await program("GET", "/api/me"), 401, "invalid_token")
    described(await service.client.post("/api/login", json=credentials), 401, "invalid_credentials")
    assert await status(await sign_in(service, password=NEW)) == 200


async def test_the_own_password_of_a_program_is_answered_with_a_token(service: Service, admin: Administrator) -> None:
    viewer = await added(admin, "grace", "viewer")
    wrong = {"current_password": "no", "new_password": "short"}
    problem = described(await viewer("PUT", "/api/me/password", json_body=wrong), 422, "invalid_settings")
    assert fields_of(problem) == {"new_password"}
    wrong["new_password"] = NEW
    problem = described(await viewer("PUT", "/api/me/password", json_body=wrong), 422, "invalid_settings")
    assert [(one["field"], one["code"]) for one in problem["errors"]] == [("current_password", "password_wrong")]
    password = (await changed(admin, "grace", reset_password=True))["password"]
    viewer = await sign_in(service, "grace", password)
    right = {"current_password": password, "new_password": NEW}
    answer = await viewer("PUT", "/api/me/password", json_body=right)
    assert answer.status_code == 200, answer.text
    described(await viewer("GET", "/api/me"), 401, "invalid_token")
    assert await status(Administrator(service, answer.json()["access_token"])) == 200
