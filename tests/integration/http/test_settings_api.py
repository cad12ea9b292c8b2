"""Settings over HTTP: in parts, within their bounds, and with secrets that only go in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.administration import Administrator, described, fields_of
from tests.support.http_server import PASSWORD, Gate, Service, form

pytestmark = pytest.mark.anyio


async def scripted(admin: Administrator) -> dict[str, Any]:
    """The scripted provider as it is listed."""
    items = (await admin.get("/api/providers"))["items"]
    return next(provider for provider in items if provider["id"] == "scripted")


async def test_what_is_not_named_stays(admin: Administrator) -> None:
    before = await admin.get("/api/settings")
    answer = await admin("PUT", "/api/settings", json_body={"sync_response_seconds": 30})
    after = answer.json()
    assert after["sync_response_seconds"] == 30
    assert after["stored"] == ["sync_response_seconds"]
    same = {"sync_response_seconds": 30, "stored": after["stored"], "etag": after["etag"]}
    assert after == before | same
    back = (await admin("PUT", "/api/settings", json_body={"sync_response_seconds": None})).json()
    assert back["sync_response_seconds"] == before["sync_response_seconds"]
    assert back["stored"] == []


async def test_all_that_is_out_of_bounds_is_named_and_nothing_is_stored(admin: Administrator) -> None:
    before = await admin.get("/api/settings")
    body = {
        "sync_response_seconds": 9.9,
        "result_retention_hours": -1,
        "max_active_jobs": 0,
        "max_upload_bytes": 10,
        "max_image_pixels": "many",
        "ingest_password": "short",
        "provider_limits": {"nobody": {"per_day": 1}},
        "colour": "red",
        "max_active": 3,
    }
    problem = described(await admin("PUT", "/api/settings", json_body=body), 422, "invalid_settings")
    assert {"sync_response_seconds", "result_retention_hours", "max_active_jobs", "max_upload_bytes"} <= fields_of(
        problem
    )  # type: ignore[operator]
    assert await admin.get("/api/settings") == before


async def test_the_window_of_the_next_photo_is_the_new_one(service: Service, admin: Administrator) -> None:
    await admin("PUT", "/api/settings", json_body={"sync_response_seconds": 60, "result_retention_hours": 1})
    job = await service.job((await service.ingest()).headers["x-job-id"])
    # The window began with the request, a moment before its job was created.
    assert 0 < (job.expires_at - job.created_at).total_seconds() <= 60
    assert job.result is not None
    assert job.finalized_at is not None
    assert (job.result.expires_at - job.finalized_at).total_seconds() == pytest.approx(3600, abs=5)


async def test_of_two_writers_that_name_the_version_one_wins(admin: Administrator) -> None:
    tag = (await admin.get("/api/settings"))["etag"]

    async def write(seconds: int) -> int:
        body = {"sync_response_seconds": seconds}
        return (await admin("PUT", "/api/settings", json_body=body, headers={"If-Match": tag})).status_code

    assert sorted(await asyncio.gather(*(write(20 + n) for n in range(4)))) == [200, 412, 412, 412]


@pytest.mark.parametrize(
    "body",
    [
        lambda n: {"ingest_password": f"new password {n}"},
        lambda n: {"provider_keys": {"scripted": f"key-{n}"}},
        lambda n: {"provider_limits": {"scripted": {"per_day": 10 + n}}},
    ],
    ids=["ingest password", "key", "limits"],
)
async def test_one_wins_also_where_what_is_written_is_never_shown(
    admin: Administrator, body: Callable[[int], dict[str, Any]]
) -> None:
    tag = (await admin.get("/api/settings"))["etag"]

    async def write(n: int) -> int:
        return (await admin("PUT", "/api/settings", json_body=body(n), headers={"If-Match": tag})).status_code

    assert sorted(await asyncio.gather(*(write(n) for n in range(4)))) == [200, 412, 412, 412]
    assert await write(9) == 412
    assert (await admin.get("/api/settings"))["etag"] != tag


async def test_writers_that_name_no_version_lose_nothing_of_each_other(admin: Administrator) -> None:
    bodies = [{"sync_response_seconds": 33}, {"max_active_jobs": 12}, {"result_retention_hours": 5}]
    answers = await asyncio.gather(*(admin("PUT", "/api/settings", json_body=body) for body in bodies))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    after = await admin.get("/api/settings")
    assert (after["sync_response_seconds"], after["max_active_jobs"], after["result_retention_hours"]) == (33, 12, 5)


async def test_a_new_ingest_password_applies_immediately_and_waiting_requests_continue(
    service: Service, admin: Administrator
) -> None:
    gate = Gate()
    service.provider.script = gate
    waiting = asyncio.ensure_future(service.ingest())
    await gate.held(1)
    answer = await admin("PUT", "/api/settings", json_body={"ingest_password": "a new password"})
    assert answer.status_code == 200
    assert answer.json()["ingest_password"]["changed_by"] == "admin"
    described(await service.post_form("slot-001", form(password=PASSWORD)), 401, "invalid_password")
    gate.opened.set()
    assert (await waiting).status_code == 200
    assert (await service.post_form("slot-001", form(password="a new password"))).status_code == 200
    (entry,) = await admin.audit("ingest_password_changed")
    assert "a new password" not in json.dumps(entry)


async def test_wrong_ingest_passwords_are_in_the_audit_log_without_them(service: Service, admin: Administrator) -> None:
    await service.post_form("slot-001", form(password="hunter2 hunter2"))
    (entry,) = await admin.audit("ingest_password_failed")
    assert entry["address"] == "127.0.0.1"
    assert "hunter2" not in json.dumps(entry)


async def test_limits_of_a_provider_are_set_and_taken_back(admin: Administrator) -> None:
    limits = {"scripted": {"max_concurrent": 2, "per_minute": None, "per_day": 100}}
    after = (await admin("PUT", "/api/settings", json_body={"provider_limits": limits})).json()
    assert after["provider_limits"] == limits
    provider = await scripted(admin)
    assert provider["limits"] == limits["scripted"]
    back = (await admin("PUT", "/api/settings", json_body={"provider_limits": {"scripted": None}})).json()
    assert back["provider_limits"] == {}
    wrong = {"provider_limits": {"scripted": {"per_day": 0}}}
    described(await admin("PUT", "/api/settings", json_body=wrong), 422, "invalid_settings")


async def test_a_key_goes_in_and_never_comes_out(admin: Administrator) -> None:
    secret = "sk-very-secret-0001"
    answer = await admin("PUT", "/api/settings", json_body={"provider_keys": {"scripted": secret}})
    assert answer.status_code == 200, answer.text
    state = answer.json()["provider_keys"]["scripted"]
    assert (state["source"], state["changed_by"]) == ("stored", "admin")
    provider = await scripted(admin)
    assert provider["key"]["state"] == "stored"
    everything = [await admin.get(path) for path in ("/api/settings", "/api/providers", "/api/audit", "/api/slots")]
    assert secret not in json.dumps(everything)
    gone = await admin("PUT", "/api/settings", json_body={"provider_keys": {"scripted": None}})
    assert gone.json()["provider_keys"] == {}
    assert len(await admin.audit("provider_key_changed")) == len(await admin.audit("provider_key_removed")) == 1


@pytest.mark.parametrize(
    "keys", [{"nobody": "x"}, {"scripted": ""}, {"scripted": "two\nlines"}, {"scripted": 7}, "x", {"scripted": "ü"}]
)
async def test_what_is_no_key_of_a_provider_here_is_refused(admin: Administrator, keys: object) -> None:
    body = {"provider_keys": keys, "sync_response_seconds": 20}
    described(await admin("PUT", "/api/settings", json_body=body), 422, "invalid_settings")
    assert (await admin.get("/api/settings"))["stored"] == []


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b'{"sync_response_seconds": 20, "sync_response_seconds": 60}', 400, "invalid_json"),
        (b'{"sync_response_seconds": NaN}', 400, "invalid_json"),
        (b'{"x": ' + b"[" * 5000 + b"]" * 5000 + b"}", 400, "invalid_json"),
        (b'{"x": "' + b"y" * 10_000_000 + b'"}', 413, "payload_too_large"),
        (b'{"sync_response_seconds": 1e400}', 400, "invalid_json"),
        (b'{"ingest_password": "\\u0000aaaaaaaaaa"}', 400, "invalid_json"),
        (b"[]", 400, "invalid_json"),
    ],
)
async def test_bad_json_is_refused(admin: Administrator, content: bytes, status: int, code: str) -> None:
    headers = {"Content-Type": "application/json"}
    described(await admin("PUT", "/api/settings", content=content, headers=headers), status, code)


async def test_invalid_keys_are_reported_with_all_other_errors(admin: Administrator) -> None:
    body = {"provider_keys": {"scripted": "", "nobody": "x"}, "sync_response_seconds": 9, "colour": "red"}
    problem = described(await admin("PUT", "/api/settings", json_body=body), 422, "invalid_settings")
    assert fields_of(problem) == {
        "provider_keys.scripted",
        "provider_keys.nobody",
        "sync_response_seconds",
        "colour",
    }


async def test_providers_are_listed_with_their_schemas(admin: Administrator) -> None:
    provider = await scripted(admin)
    assert provider["operations"][0]["settings_schema"] == {"type": "object"}
    assert provider["operations"][0]["mimes"] == ["image/jpeg", "image/png"]
