"""Slots over HTTP: read, changed whole or not at all, tried before they are stored."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from photochanger.core.domain.media import MediaKind
from photochanger.core.ports.provider import Rejected

from tests.support import photos
from tests.support.administration import Administrator, described, fields_of
from tests.support.http_server import Gate, Service, until

pytestmark = pytest.mark.anyio


async def test_fifteen_slots_are_listed_and_searched(admin: Administrator) -> None:
    items = (await admin.get("/api/slots"))["items"]
    assert [slot["id"] for slot in items] == [f"slot-{number:03d}" for number in range(1, 16)]
    assert [slot["id"] for slot in (await admin.get("/api/slots?search=OIL"))["items"]] == ["slot-002"]
    by_provider = (await admin.get("/api/slots?provider_id=scripted&operation_id=any"))["items"]
    assert [slot["id"] for slot in by_provider] == ["slot-001", "slot-002", "slot-003", "slot-004"]
    described(await admin("GET", "/api/slots?colour=red"), 400, "invalid_request")


async def test_a_slot_shows_everything_and_its_newest_results(service: Service, admin: Administrator) -> None:
    job_id = (await service.ingest()).headers["x-job-id"]
    slot = await admin.get("/api/slots/slot-001")
    assert slot["ingest_url"] == f"http://127.0.0.1:{service.port}/ingest/slot-001"
    (result,) = slot["recent_results"]
    assert result["job_id"] == job_id
    assert (await service.client.get(result["download_url"])).status_code == 200
    assert (await service.client.get(result["thumbnail_url"])).headers["content-type"] == "image/webp"
    described(await admin("GET", "/api/slots/slot-016"), 404, "slot_not_found")
    described(await admin("GET", "/api/slots/%00"), 404, "slot_not_found")


async def test_a_read_that_has_not_changed_is_not_sent_again(admin: Administrator) -> None:
    first = await admin("GET", "/api/slots/slot-002")
    again = await admin("GET", "/api/slots/slot-002", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await admin.change_slot("slot-002", name="Another name")).status_code == 200
    changed = await admin("GET", "/api/slots/slot-002", headers={"If-None-Match": first.headers["etag"]})
    assert changed.json()["name"] == "Another name"


async def test_what_was_read_can_be_changed_and_sent_back(admin: Administrator) -> None:
    answer = await admin.change_slot("slot-009", name="Wedding", active=True, route=_LOCAL, hedge=False)
    assert answer.status_code == 200, answer.text
    slot = answer.json()
    assert (slot["name"], slot["active"], slot["route"]) == ("Wedding", True, _LOCAL)
    assert slot["etag"] == '"2"'
    assert answer.headers["etag"].startswith('"2.')
    assert slot["updated_at"] is not None
    (entry, *_) = await admin.audit("slot_changed")
    assert (entry["actor"], entry["target"]) == ("admin", "slot-009")
    assert entry["detail"]["changed"]["name"] == ["Slot 009", "Wedding"]
    assert "hedge" not in entry["detail"]["changed"]


_LOCAL: list[dict[str, Any]] = [{"provider_id": "local", "operation_id": "stylize", "settings": {"look": "oil"}}]


async def test_the_etag_header_is_good_for_a_change_too(admin: Administrator) -> None:
    read = await admin("GET", "/api/slots/slot-003")
    sent = read.json() | {"name": "By the header"}
    put = await admin("PUT", "/api/slots/slot-003", json_body=sent, headers={"If-Match": read.headers["etag"]})
    assert put.status_code == 200


async def test_a_change_says_what_it_was_made_from(admin: Administrator) -> None:
    slot = await admin.get("/api/slots/slot-001")
    described(await admin("PUT", "/api/slots/slot-001", json_body=slot), 428, "version_required")
    stale = {"If-Match": '"99"'}
    described(await admin("PUT", "/api/slots/slot-001", json_body=slot, headers=stale), 412, "version_conflict")
    other = {"If-Match": '"abc"'}
    described(await admin("PUT", "/api/slots/slot-001", json_body=slot, headers=other), 400, "invalid_request")


async def test_of_many_writers_one_wins_and_the_others_get_a_conflict(admin: Administrator) -> None:
    slot = await admin.get("/api/slots/slot-001")

    async def write(number: int) -> int:
        body = slot | {"name": f"Writer {number}"}
        headers = {"If-Match": slot["etag"]}
        return (await admin("PUT", "/api/slots/slot-001", json_body=body, headers=headers)).status_code

    assert sorted(await asyncio.gather(*(write(number) for number in range(8)))) == [200] + 7 * [412]
    assert len(await admin.audit("slot_changed")) == 1


async def test_every_invalid_field_is_named_and_nothing_is_stored(admin: Administrator) -> None:
    before = await admin.get("/api/slots/slot-001")
    answer = await admin.change_slot(
        "slot-001",
        name="",
        route=[
            {"provider_id": "local", "operation_id": "stylize", "settings": {"look": "oily", "strength": 101}},
            {"provider_id": "local", "operation_id": "teleport"},
            {"provider_id": "nobody", "operation_id": "any"},
        ],
        failure_answer="sorry",
        prompt_fields=["not a name"],
        max_upload_bytes=1,
        templates=[{"setting_key": "frame", "media_id": "01980000-0000-7000-8000-000000000000"}],
        colour="red",
    )
    fields = fields_of(described(answer, 422, "invalid_settings"))
    assert {"name", "colour", "failure_answer", "max_upload_bytes"} <= set(fields)
    after = await admin.get("/api/slots/slot-001")
    assert after == before

    answer = await admin.change_slot("slot-001", route=answer_route())
    fields = fields_of(described(answer, 422, "invalid_settings"))
    assert {"route.0.settings.look", "route.0.settings.strength", "route.1.operation_id"} <= set(fields)


def answer_route() -> list[dict[str, Any]]:
    return [
        {"provider_id": "local", "operation_id": "stylize", "settings": {"look": "oily", "strength": 101}},
        {"provider_id": "local", "operation_id": "teleport", "settings": {}},
    ]


async def test_settings_out_of_range_and_of_the_wrong_kind_are_refused(admin: Administrator) -> None:
    for changes in (
        {"active": "yes"},
        {"route": "local"},
        {"route": [{"provider_id": "local"}]},
        {"route": 9 * _LOCAL},
        {"route": [], "active": True},
        {"hedge": True, "route": _LOCAL},
        {"gallery_open_until": "tomorrow"},
        {"gallery_open_until": "2026-05-01T00:00:00"},
        {"branded": {"operation_id": "frame", "settings": {"style": "none"}}, "failure_answer": "branded"},
        {"prompt_fields": ["guest", "guest"]},
        {"name": "x" * 121},
    ):
        answer = await admin.change_slot("slot-001", **changes)
        described(answer, 422, "invalid_settings")


async def test_a_slot_that_is_switched_off_takes_no_photo(service: Service, admin: Administrator) -> None:
    assert (await admin.change_slot("slot-001", active=False)).status_code == 200
    described(await service.ingest("slot-001"), 404, "slot_disabled")
    assert (await admin.change_slot("slot-001", active=True)).status_code == 200
    assert (await service.ingest("slot-001")).status_code == 200


async def test_a_job_under_way_keeps_the_route_that_it_began_with(service: Service, admin: Administrator) -> None:
    gate = Gate()
    service.provider.script = gate
    waiting = asyncio.ensure_future(service.ingest("slot-001"))
    await gate.held(1)
    assert (await admin.change_slot("slot-001", route=_LOCAL, active=False)).status_code == 200
    gate.opened.set()
    assert (await waiting).status_code == 200
    detail = await admin.get(f"/api/jobs/{(await waiting).headers['x-job-id']}")
    assert detail["route"][0]["provider_id"] == "scripted"


async def test_a_test_run_takes_the_pipeline_and_tells_everything(service: Service, admin: Administrator) -> None:
    answer = await admin.upload("/api/slots/slot-001/test-run")
    assert answer.status_code == 200, answer.text
    job = answer.json()
    assert (job["source"], job["state"]) == ("test", "succeeded")
    assert job["logs"][0]["event"] == "received"
    assert any(entry["event"] == "attempt" for entry in job["logs"])
    assert (await service.client.get(job["result"]["url"])).status_code == 200


async def test_a_test_run_tries_what_is_not_stored_also_on_a_slot_that_is_off(
    service: Service, admin: Administrator
) -> None:
    slot = await admin.get("/api/slots/slot-009")
    unsaved = json.dumps(
        {"name": "Tried", "active": False, "route": [{"provider_id": "scripted", "operation_id": "any"}]}
    )
    for document in (unsaved, unsaved + " " * 20_000):  # a slot with long prompts is longer than a camera's fields
        answer = await admin.upload("/api/slots/slot-009/test-run", slot=document)
        assert answer.json()["state"] == "succeeded", answer.text
    assert await admin.get("/api/slots/slot-009") == slot | {
        "recent_results": (await admin.get("/api/slots/slot-009"))["recent_results"]
    }
    problem = described(await admin.upload("/api/slots/slot-009/test-run"), 422, "invalid_settings")
    assert fields_of(problem) == {"route"}
    described(await admin.upload("/api/slots/slot-009/test-run", slot="{"), 422, "invalid_settings")
    described(await admin.upload("/api/slots/slot-009/test-run", colour="red"), 400, "invalid_multipart")

    async def nothing_left() -> bool:  # the worker deletes the photos while the answer is sent
        return not await service.files(MediaKind.PAYLOADS)

    await until(nothing_left)


async def test_a_test_run_whose_provider_fails_tells_why(service: Service, admin: Administrator) -> None:
    async def refuses(request: Any) -> bytes:
        raise Rejected("There is a hand in the picture.")

    service.provider.script = refuses
    job = (await admin.upload("/api/slots/slot-001/test-run")).json()
    assert (job["state"], job["error_code"]) == ("failed", "provider_failed")
    assert "There is a hand in the picture." in json.dumps(job["logs"])


async def test_a_test_run_of_no_picture_is_refused(admin: Administrator) -> None:
    described(
        await admin.upload("/api/slots/slot-001/test-run", b"no picture at all" * 9), 415, "unsupported_media_type"
    )
    described(await admin.upload("/api/slots/slot-001/test-run", photos.jpeg(64, 48)[:200]), 422, "undecodable_image")


async def test_statistics_restart_at_the_reset(admin: Administrator) -> None:
    before = await admin.get("/api/slots/slot-001")
    answer = await admin("POST", "/api/slots/slot-001/reset_stats")
    assert (answer.status_code, answer.content) == (204, b"")
    after = await admin.get("/api/slots/slot-001")
    assert after["stats_reset_at"] is not None
    assert after["etag"] == before["etag"]
    assert len(await admin.audit("stats_reset")) == 1
    described(await admin("POST", "/api/slots/slot-999/reset_stats"), 404, "slot_not_found")


async def test_a_gallery_is_there_for_as_long_as_it_is_open(service: Service, admin: Administrator) -> None:
    await service.ingest("slot-001")
    await admin.upload("/api/slots/slot-001/test-run")
    described(await service.client.get("/public/gallery/slot-001"), 404, "not_found")
    described(await service.client.get("/public/gallery/slot-099"), 404, "not_found")
    until = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    assert (await admin.change_slot("slot-001", gallery_open_until=until)).status_code == 200
    answer = await service.client.get("/public/gallery/slot-001")
    (picture,) = answer.json()["items"]
    assert (await service.client.get(picture["download_url"])).status_code == 200
    assert set(picture) == {
        "thumbnail_url", "download_url", "completed_at", "expires_at", "mime", "width", "height"
    }  # fmt: skip
    same = await service.client.get("/public/gallery/slot-001", headers={"If-None-Match": answer.headers["etag"]})
    assert same.status_code == 304
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    assert (await admin.change_slot("slot-001", gallery_open_until=past)).status_code == 200
    described(await service.client.get("/public/gallery/slot-001"), 404, "not_found")


async def test_a_gallery_has_pages(service: Service, admin: Administrator) -> None:
    sent = [(await service.ingest("slot-001", guest=f"{n}")).headers["x-job-id"] for n in range(3)]
    until = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    await admin.change_slot("slot-001", gallery_open_until=until)
    first = (await service.client.get("/public/gallery/slot-001?limit=2")).json()
    second = (await service.client.get(f"/public/gallery/slot-001?limit=2&cursor={first['next_cursor']}")).json()
    seen = [item["download_url"].rsplit("/", 1)[1] for item in first["items"] + second["items"]]
    assert seen == sent[::-1]
    assert second["next_cursor"] is None
