"""Webhooks over HTTP: set, shown without their secret, and what became of their deliveries."""

from __future__ import annotations

import json

import pytest
from administration import Administrator, described, fields_of
from http_server import Service

pytestmark = pytest.mark.anyio

PATH = "/api/slots/slot-001/webhook"
URL = "https://studio.example/hooks?key=abc"


async def test_a_webhook_is_set_and_its_secret_shown_once(admin: Administrator) -> None:
    described(await admin("GET", PATH), 404, "webhook_not_found")
    made = await admin("PUT", PATH, json_body={"url": URL})
    assert made.status_code == 200, made.text
    assert made.json()["secret"].startswith("whsec_")
    shown = await admin.get(PATH)
    assert "secret" not in shown
    assert (shown["url"], shown["changed_by"]) == (URL, "admin")
    moved = (await admin("PUT", PATH, json_body={"url": "https://studio.example/other"})).json()
    assert "secret" not in moved
    assert moved["key_id"] == shown["key_id"]
    rotated = (await admin("POST", f"{PATH}/secret")).json()
    assert rotated["secret"] != made.json()["secret"]
    assert rotated["key_id"] != shown["key_id"]
    assert (await admin("DELETE", PATH)).status_code == 204
    described(await admin("GET", PATH), 404, "webhook_not_found")
    described(await admin("DELETE", PATH), 404, "webhook_not_found")
    described(await admin("POST", f"{PATH}/secret"), 404, "webhook_not_found")
    told = json.dumps(await admin.get("/api/audit"))
    assert "whsec_" not in told
    assert "abc" not in told


@pytest.mark.parametrize(
    "url",
    [
        "",
        "studio.example",
        "ftp://studio.example/x",
        "https://user:word@studio.example/",
        "http://127.0.0.1:9/",
        "http://[::1]/",
        "http://169.254.169.254/latest",
        "http://10.0.0.1/",
        "https:///path",
        "https://studio.example/" + "x" * 3000,
    ],
)
async def test_an_address_that_must_not_be_told_is_refused(admin: Administrator, url: str) -> None:
    problem = described(await admin("PUT", PATH, json_body={"url": url}), 422, "invalid_settings")
    assert fields_of(problem) == {"url"}


async def test_slots_that_are_none_have_no_webhook(admin: Administrator) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/secret")):
        described(await admin(method, f"/api/slots/slot-099/webhook{path}"), 404, "slot_not_found")
    answer = await admin("PUT", "/api/slots/slot-099/webhook", json_body={"url": URL})
    described(answer, 404, "slot_not_found")


async def test_what_is_to_be_told_is_listed_and_can_be_tried_again(service: Service, admin: Administrator) -> None:
    assert (await admin("PUT", PATH, json_body={"url": "https://nowhere.invalid/"})).status_code == 200
    job_id = (await service.ingest()).headers["x-job-id"]
    (delivery,) = (await admin.get("/api/webhooks/deliveries?slot_id=slot-001"))["items"]
    assert delivery["job_id"] == job_id
    again = await admin("POST", f"/api/webhooks/deliveries/{delivery['id']}/redeliver")
    assert again.status_code == 202
    assert again.json()["state"] == "pending"
    assert (await admin.get("/api/webhooks/deliveries?state=dead,delivered"))["items"] == []
    described(await admin("GET", "/api/webhooks/deliveries?state=lost"), 400, "invalid_request")
    for id in ("nonsense", "01980000-0000-7000-8000-000000000000"):
        described(await admin("POST", f"/api/webhooks/deliveries/{id}/redeliver"), 404, "webhook_not_found")
