"""Pictures of administrators: media objects for a while, templates for good, and the purge."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest
from photochanger.core.domain.media import MediaKind

from tests.support import photos
from tests.support.administration import Administrator, described, fields_of
from tests.support.http_server import END, FORM, Gate, Service, part
from tests.support.service import LONG_WINDOW

pytestmark = pytest.mark.anyio

NOWHERE = "01980000-0000-7000-8000-000000000000"
FRAMED = [{"provider_id": "local", "operation_id": "frame", "settings": {}}]


async def test_a_media_object_has_a_public_link_for_a_while(service: Service, admin: Administrator) -> None:
    picture = photos.png(32, 24)
    answer = await admin.upload("/api/media/register", picture)
    assert answer.status_code == 201, answer.text
    media = answer.json()
    assert media["mime"] == "image/png"
    assert answer.headers["location"] == media["url"]
    assert (await service.client.get(media["url"])).content == picture
    assert datetime.fromisoformat(media["expires_at"]) <= datetime.now(UTC) + LONG_WINDOW


async def test_only_a_picture_becomes_a_media_object(service: Service, admin: Administrator) -> None:
    described(await admin.upload("/api/media/register", b"<html>" * 20), 415, "unsupported_media_type")
    described(await admin.upload("/api/media/register", photos.jpeg(64, 48)[:150]), 422, "undecodable_image")
    described(await admin.upload("/api/media/register", b""), 422, "undecodable_image")
    after = part("fileToUpload", photos.jpeg(32, 24), filename="a.jpg") + part("colour", "red") + END
    refused = await admin("POST", "/api/media/register", content=after, headers={"Content-Type": FORM})
    described(refused, 400, "invalid_multipart")
    described(await admin("POST", "/api/media/register", json_body={}), 400, "invalid_multipart")
    assert not await service.files(MediaKind.MEDIA)


async def test_a_template_is_kept_bound_seen_and_removed(service: Service, admin: Administrator) -> None:
    assert (await admin.change_slot("slot-003", route=FRAMED)).status_code == 200
    picture = photos.png(300, 200)
    answer = await admin.upload(
        "/api/template-media/register", picture, slot_id="slot-003", setting_key="frame", name="Golden"
    )
    assert answer.status_code == 201, answer.text
    template = answer.json()
    assert template["bindings"] == [{"slot_id": "slot-003", "setting_key": "frame"}]
    assert (template["name"], template["width"], template["created_by"]) == ("Golden", 300, "admin")
    slot = await admin.get("/api/slots/slot-003")
    assert slot["templates"] == [{"setting_key": "frame", "media_id": template["id"]}]
    assert (await admin("GET", template["url"])).content == picture
    small = await admin("GET", template["thumbnail_url"])
    assert small.headers["content-type"] == "image/webp"
    part_of_it = await admin("GET", template["url"], headers={"Range": "bytes=0-9"})
    assert (part_of_it.status_code, part_of_it.content) == (206, picture[:10])

    taken = await admin.upload("/api/template-media/register", slot_id="slot-003", setting_key="frame")
    described(taken, 409, "binding_taken")
    other = await admin.upload("/api/template-media/register", slot_id="slot-003", setting_key="frame", replace="true")
    assert other.status_code == 201, other.text
    slot = await admin.get("/api/slots/slot-003")
    assert slot["templates"] == [{"setting_key": "frame", "media_id": other.json()["id"]}]
    assert len((await admin.get("/api/template-media"))["items"]) == 2
    assert [item["id"] for item in (await admin.get("/api/template-media?slot_id=slot-003"))["items"]] == [
        other.json()["id"]
    ]

    gone = await admin("DELETE", f"/api/template-media/{template['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    described(await admin("GET", template["url"]), 404, "template_not_found")
    problem = described(await admin("DELETE", f"/api/template-media/{other.json()['id']}"), 409, "template_in_use")
    assert problem["slots"] == ["slot-003"]
    forced = await admin("DELETE", f"/api/template-media/{other.json()['id']}?force=true")
    assert forced.status_code == 204
    assert (await admin.get("/api/slots/slot-003"))["templates"] == []
    assert not await service.files(MediaKind.TEMPLATES)
    assert len(await admin.audit("template_removed")) == 2


async def test_a_template_goes_with_the_one_binding_that_is_named(admin: Administrator) -> None:
    for slot_id in ("slot-003", "slot-004"):
        assert (await admin.change_slot(slot_id, route=FRAMED)).status_code == 200
    made = await admin.upload("/api/template-media/register", slot_id="slot-003", setting_key="frame")
    path = f"/api/template-media/{made.json()['id']}?slot_id=slot-003&setting_key=frame"
    bound = [{"setting_key": "frame", "media_id": made.json()["id"]}]
    assert (await admin.change_slot("slot-004", templates=bound)).status_code == 200
    problem = described(await admin("DELETE", path), 409, "template_in_use")
    assert problem["slots"] == ["slot-004"]
    half = path.partition("&")[0]
    described(await admin("DELETE", half), 400, "invalid_request")
    assert (await admin.change_slot("slot-004", templates=[])).status_code == 200
    assert (await admin("DELETE", path)).status_code == 204
    assert (await admin.get("/api/slots/slot-003"))["templates"] == []


async def test_a_template_that_was_replaced_stays_for_the_photos_that_began_with_it(
    service: Service, admin: Administrator
) -> None:
    gate = Gate()
    service.provider.script = gate
    asks = {"provider_id": "scripted", "operation_id": "any", "settings": {}}
    assert (await admin.change_slot("slot-003", route=[asks, *FRAMED])).status_code == 200
    binding = {"slot_id": "slot-003", "setting_key": "frame"}
    old = (await admin.upload("/api/template-media/register", **binding)).json()
    waiting = asyncio.ensure_future(service.ingest("slot-003"))
    await gate.held(1)
    await admin.upload("/api/template-media/register", **binding, replace="true")
    problem = described(await admin("DELETE", f"/api/template-media/{old['id']}"), 409, "template_in_use")
    assert problem["slots"] == ["slot-003"]
    assert (await admin("GET", old["url"])).status_code == 200
    gate.opened.set()
    assert (await waiting).status_code == 200
    assert (await admin("DELETE", f"/api/template-media/{old['id']}")).status_code == 204


async def test_a_template_without_a_slot_waits_in_the_library(admin: Administrator) -> None:
    made = (await admin.upload("/api/template-media/register")).json()
    assert made["bindings"] == []
    assert UUID(made["id"])
    assert (await admin.change_slot("slot-003", route=FRAMED)).status_code == 200
    bound = [{"setting_key": "frame", "media_id": made["id"]}]
    assert (await admin.change_slot("slot-003", templates=bound)).json()["templates"] == bound
    (item,) = (await admin.get("/api/template-media?setting_key=frame"))["items"]
    assert item["bindings"] == [{"slot_id": "slot-003", "setting_key": "frame"}]


async def test_a_template_that_cannot_be_bound_is_not_kept(service: Service, admin: Administrator) -> None:
    register = "/api/template-media/register"
    described(await admin.upload(register, slot_id="slot-099", setting_key="frame"), 404, "slot_not_found")
    problem = described(await admin.upload(register, slot_id="slot-001", setting_key="hat"), 422, "invalid_settings")
    assert fields_of(problem) == {"setting_key"}
    described(await admin.upload(register, slot_id="slot-001"), 400, "missing_field")
    described(await admin.upload(register, replace="maybe"), 422, "invalid_settings")
    described(await admin.upload(register, b"no picture" * 9), 415, "unsupported_media_type")
    described(await admin.upload(register, photos.jpeg(64, 48)[:400]), 422, "undecodable_image")
    assert not await service.files(MediaKind.TEMPLATES)
    assert (await admin.get("/api/template-media"))["items"] == []
    for path in (f"/api/template-media/{NOWHERE}", "/api/template-media/nonsense"):
        described(await admin("GET", path), 404, "template_not_found")
        described(await admin("DELETE", path), 404, "template_not_found")


async def test_a_purge_takes_only_what_has_expired(service: Service, admin: Administrator) -> None:
    live = (await service.ingest()).headers["x-job-id"]
    media = (await admin.upload("/api/media/register")).json()
    for scope in ("full", "media_objects"):
        answer = await admin("POST", "/api/media/cache/purge", json_body={"scope": scope})
        assert (answer.status_code, answer.json()) == (202, {"scope": scope})
        await service.purged()
    assert (await service.client.get(f"/public/results/{live}")).status_code == 200
    assert (await service.client.get(media["url"])).status_code == 200
    described(await admin("POST", "/api/media/cache/purge", json_body={"scope": "all"}), 422, "invalid_settings")
    assert len(await admin.audit("purged")) == 2


async def test_a_result_that_is_being_read_is_read_to_its_end_through_a_purge(
    service: Service, admin: Administrator
) -> None:
    big = photos.png(900, 900)

    async def answers(request: object) -> bytes:
        return big

    service.provider.script = answers
    job_id = (await service.ingest()).headers["x-job-id"]
    async with service.client.stream("GET", f"/public/results/{job_id}") as reading:
        chunks = reading.aiter_raw(1000)
        first = await anext(chunks)
        await service.expire_result(job_id)
        await admin("POST", "/api/media/cache/purge", json_body={"scope": "full"})
        await service.purged()
        assert not await service.files(MediaKind.RESULTS)
        rest = b"".join([chunk async for chunk in chunks])
    assert first + rest == big
    described(await service.client.get(f"/public/results/{job_id}"), 410, "expired")
