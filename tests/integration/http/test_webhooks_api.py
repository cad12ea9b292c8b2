"""Webhooks over HTTP: set, shown without their secret, and what became of their deliveries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.administration import Administrator, described, fields_of, sign_in
from tests.support.http_server import Service, serving, until
from tests.support.standins.server import Answer, Received, StandInServer

pytestmark = pytest.mark.anyio

PATH = "/api/slots/slot-001/webhook"
URL = "https://studio.example/hooks?key=hush"


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
    assert "hush" not in told  # no digits that an id could have by chance


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


class Receiver(StandInServer):
    """Takes every call that its script says nothing of."""

    def answer(self, request: Received) -> Answer:
        return Answer(204)


async def test_a_dead_letter_is_listed_with_why_and_arrives_when_it_is_sent_again(tmp_path: Path) -> None:
    async with Receiver() as receiver, serving(tmp_path, private_hosts=("127.0.0.1",)) as service:
        admin = await sign_in(service)
        receiver.script(Answer(410))
        assert (await admin("PUT", PATH, json_body={"url": receiver.url})).status_code == 200
        job_id = (await service.ingest()).headers["x-job-id"]

        async def listed(state: str) -> list[dict[str, Any]]:
            items: list[dict[str, Any]] = (await admin.get(f"/api/webhooks/deliveries?state={state}"))["items"]
            return items

        async def is_listed(state: str) -> bool:
            return bool(await listed(state))

        await until(lambda: is_listed("dead"))
        (dead,) = await listed("dead")
        assert (dead["job_id"], dead["slot_id"], dead["attempts"]) == (job_id, "slot-001", 1)
        assert (dead["last_status"], dead["last_error"]) == (410, "The receiver answered 410: it is gone.")
        assert (await admin("POST", f"/api/webhooks/deliveries/{dead['id']}/redeliver")).status_code == 202
        assert await listed("dead") == []
        await until(lambda: is_listed("delivered"))
        (delivered,) = await listed("delivered")
        assert (delivered["id"], delivered["last_status"], delivered["last_error"]) == (dead["id"], 204, None)
    assert [call.headers["webhook-id"] for call in receiver.received] == [dead["id"]] * 2
