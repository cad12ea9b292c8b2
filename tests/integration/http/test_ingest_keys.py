"""Ingest keys over HTTP: booths that send one in the form, a header or the address, and who manages them."""

from __future__ import annotations

import base64
import logging
from typing import Any

import httpx
import pytest

from tests.support import photos
from tests.support.administration import Administrator, described
from tests.support.http_server import END, FORM, PASSWORD, PICTURE, Service, form, part, until

pytestmark = pytest.mark.anyio

PATH = "/api/ingest-keys"
BREEZE = b"".join(
    part(name, value)
    for name, value in {
        "eventkitesessionid": "4711",
        "eventkitegalleryid": "12",
        "status": "ready",
        "model": "iPad",
        "name": "Gala",
        "username": "studio",
        "user_id": "9",
        "profile": "wedding",
        "time": "12:30",
        "hash": "0" * 40,
        "version": "5.2",
        "id": "3",
        "{qr1}": "guest",
        "survey 1": "Oil painting",
    }.items()
)
"""The fields that Breeze Booth documents: none of them is a password."""


async def added(admin: Administrator, name: str = "Booth 1") -> str:
    answer = await admin("POST", PATH, json_body={"name": name})
    assert answer.status_code == 201, answer.text
    key: str = answer.json()["key"]
    return key


async def post(service: Service, address: str, body: bytes, **headers: str) -> httpx.Response:
    return await service.client.post(address, content=body, headers={"Content-Type": FORM, **headers})


def photo_form(fields: bytes = b"") -> bytes:
    return fields + part("fileToUpload", photos.jpeg(160, 120), filename="a.jpg") + END


@pytest.mark.parametrize("way", ["form", "bearer", "basic", "address", "api", "slash", "style", "api style"])
async def test_a_key_is_accepted_wherever_a_booth_can_put_it(service: Service, admin: Administrator, way: str) -> None:
    key = await added(admin)
    basic = base64.b64encode(f"anybody:{key}".encode()).decode()
    ways: dict[str, tuple[str, bytes, dict[str, str]]] = {
        "form": ("/ingest/slot-001", form(password=key), {}),
        "bearer": ("/ingest/slot-001", photo_form(), {"Authorization": f"Bearer {key}"}),
        "basic": ("/ingest/slot-001", photo_form(), {"Authorization": f"Basic {basic}"}),
        "address": (f"/ingest/slot-001/k/{key}", photo_form(), {}),
        "api": (f"/api/ingest/slot-001/k/{key}", photo_form(), {}),
        "slash": (f"/ingest/slot-001/k/{key}/", photo_form(), {}),
        "style": (f"/ingest/by/slot-001/k/{key}", photo_form(), {}),
        "api style": (f"/api/ingest/by/SLOT%20001/k/{key}", photo_form(), {}),
    }
    address, body, headers = ways[way]
    answer = await post(service, address, body, **headers)
    assert answer.status_code == 200, answer.text
    assert answer.content == PICTURE
    assert (await service.job(answer.headers["x-job-id"])).metadata == {"booth": "Booth 1"}


async def test_breeze_booth_gets_its_picture_without_a_password(service: Service, admin: Administrator) -> None:
    key = await added(admin, "Breeze iPad")
    answer = await post(service, f"/ingest/slot-001/k/{key}", photo_form(BREEZE))
    assert answer.status_code == 200, answer.text
    metadata = (await service.job(answer.headers["x-job-id"])).metadata
    assert metadata["booth"] == "Breeze iPad"
    assert metadata["survey_1"] == "Oil painting"
    described(await post(service, "/ingest/slot-001", photo_form(BREEZE)), 400, "missing_field")


async def test_a_field_of_the_form_cannot_name_another_booth(service: Service, admin: Administrator) -> None:
    key = await added(admin)
    answer = await post(service, f"/ingest/slot-001/k/{key}", photo_form(part("booth", "Another")))
    assert (await service.job(answer.headers["x-job-id"])).metadata == {"booth": "Booth 1"}
    answer = await service.ingest(booth="My booth")
    assert (await service.job(answer.headers["x-job-id"])).metadata == {"booth": "My booth"}


async def test_a_slot_with_a_password_of_its_own_accepts_keys(service: Service, admin: Administrator) -> None:
    key = await added(admin)
    assert (await admin.change_slot("slot-001", ingest_password="own-password")).status_code == 200
    described(await service.ingest(), 401, "invalid_password")
    assert (await service.ingest(password=key)).status_code == 200
    assert (await post(service, f"/ingest/slot-001/k/{key}", photo_form())).status_code == 200


@pytest.mark.parametrize("wrong", ["pck_" + "a" * 32, "x", PASSWORD + "x", "%00", "pck_" + "%F0%9F%92%A5" * 100])
async def test_a_wrong_key_in_the_address_is_refused_before_the_photo(service: Service, wrong: str) -> None:
    answer = await post(service, f"/ingest/slot-001/k/{wrong}", photo_form(part("password", PASSWORD)))
    described(answer, 401, "invalid_password")
    assert not service.database.jobs


async def test_the_password_may_be_in_the_address_too(service: Service) -> None:
    assert (await post(service, f"/ingest/slot-001/k/{PASSWORD}", photo_form())).status_code == 200


async def test_a_revoked_key_is_refused_and_others_go_on(service: Service, admin: Administrator) -> None:
    first, second = await added(admin, "Booth 1"), await added(admin, "Booth 2")
    keys = {key["name"]: key for key in (await admin.get(PATH))["items"]}
    assert (await admin("DELETE", f"{PATH}/{keys['Booth 1']['id']}")).status_code == 204
    described(await service.ingest(password=first), 401, "invalid_password")
    assert (await service.ingest(password=second)).status_code == 200
    described(await admin("DELETE", f"{PATH}/{keys['Booth 1']['id']}"), 404, "ingest_key_not_found")
    described(await admin("DELETE", f"{PATH}/nothing"), 404, "ingest_key_not_found")
    actions = [entry["action"] for entry in (await admin.get("/api/audit"))["items"]]
    assert [action for action in actions if action.startswith("ingest_key")] == [
        "ingest_key_revoked",
        "ingest_key_added",
        "ingest_key_added",
    ]


async def test_a_key_is_shown_once_and_its_name_is_unique(service: Service, admin: Administrator) -> None:
    key = await added(admin)
    described(await admin("POST", PATH, json_body={"name": " Booth  1 "}), 409, "ingest_key_exists")
    described(await admin("POST", PATH, json_body={"name": ""}), 422, "invalid_settings")
    described(await admin("POST", PATH, json_body={}), 422, "invalid_settings")
    listed = await admin("GET", PATH)
    assert key not in listed.text
    assert [one["name"] for one in listed.json()["items"]] == ["Booth 1"]


async def test_the_last_use_of_a_booth_is_shown(service: Service, admin: Administrator) -> None:
    key = await added(admin)
    await post(service, f"/ingest/slot-002/k/{key}", photo_form())
    uses: list[dict[str, Any]] = []

    async def stored() -> bool:
        uses[:] = [use for one in (await admin.get(PATH))["items"] if (use := one["last_use"])]
        return bool(uses)

    await until(stored)
    assert (uses[0]["slot_id"], uses[0]["address"]) == ("slot-002", "127.0.0.1")


@pytest.mark.parametrize(
    ("style", "slot_id"),
    [
        ("Oil%20painting", "slot-002"),
        ("oilPAINTING", "slot-002"),
        ("oil-painting!", "slot-002"),
        ("slot_003", "slot-003"),
    ],
)
async def test_an_answer_in_the_address_chooses_the_slot(
    service: Service, admin: Administrator, style: str, slot_id: str
) -> None:
    assert (await admin.change_slot("slot-002", name="Oil painting")).status_code == 200
    answer = await post(service, f"/ingest/by/{style}", form())
    assert answer.status_code == 200, answer.text
    assert (await service.job(answer.headers["x-job-id"])).slot_id == slot_id
    seen: dict[str, Any] = {}

    async def recorded() -> bool:
        seen.update(await admin.get(f"/api/slots/{slot_id}/last-request"))
        return seen["request"] is not None

    await until(recorded)
    assert seen["request"]["status"] == 200


@pytest.mark.parametrize("style", ["nothing", "!!!", "%00", "x" * 5000, "%F0%9F%92%A5"])
async def test_a_style_without_a_slot_is_not_found(service: Service, style: str) -> None:
    described(await post(service, f"/ingest/by/{style}", form()), 404, "slot_not_found")


async def test_a_slot_that_is_switched_off_is_no_style(service: Service, admin: Administrator) -> None:
    assert (await admin.change_slot("slot-002", name="Oil painting", active=False)).status_code == 200
    described(await post(service, "/ingest/by/Oil%20painting", form()), 404, "slot_not_found")


async def test_other_methods_and_longer_addresses_are_none(service: Service, admin: Administrator) -> None:
    key = await added(admin)
    described(await service.client.get(f"/ingest/slot-001/k/{key}"), 405, "method_not_allowed")
    for address in (f"/ingest/slot-001/k/{key}/more", "/ingest/slot-001/k/", "/ingest/slot-001/x/y", "/api/ingest/"):
        described(await post(service, address, form()), 404, "not_found")


async def test_a_key_reaches_no_log_and_no_record(
    service: Service, admin: Administrator, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await added(admin)
    caplog.set_level(logging.DEBUG)

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a fault")

    await post(service, f"/ingest/slot-001/k/{key}", photo_form(part("note", key)))
    seen: dict[str, Any] = {}

    async def recorded() -> bool:
        seen.update(await admin.get("/api/slots/slot-001/last-request"))
        return seen["request"] is not None

    await until(recorded)
    assert seen["request"]["status"] == 200
    assert key not in str(seen)
    monkeypatch.setattr("photochanger.entrypoints.http.ingest.handler._admit", broken)
    answer = await post(service, f"/api/ingest/slot-001/k/{key}", photo_form())
    described(answer, 500, "internal_error")
    assert key not in answer.text
    own = [record for record in caplog.records if record.name.startswith("photochanger")]
    lines = [logging.Formatter().format(record) for record in own]
    assert any("POST /ingest/slot-001 failed" in line for line in lines)
    assert not any(key in line for line in lines)
