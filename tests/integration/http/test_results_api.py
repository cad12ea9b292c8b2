"""Finished pictures of all slots over HTTP: listed page by page, hidden from galleries, shown again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from photochanger.core.domain.accounts import Permission

from tests.support.administration import Administrator, described, fields_of, listening, token_of
from tests.support.http_server import PICTURE, Service

pytestmark = pytest.mark.anyio


async def finished(service: Service, *slot_ids: str) -> list[str]:
    """Jobs with a picture, one after the other."""
    return [str((await service.ingest(slot_id)).headers["x-job-id"]) for slot_id in slot_ids]


async def opened(admin: Administrator, slot_id: str = "slot-001") -> str:
    """The address of a slot's gallery, which is open now."""
    open_until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert (await admin.change_slot(slot_id, gallery_open_until=open_until)).status_code == 200
    return f"/public/gallery/{slot_id}"


async def listed(admin: Administrator, query: str = "") -> list[str]:
    return [item["job_id"] for item in (await admin.get(f"/api/results{query}"))["items"]]


async def test_the_pictures_of_all_slots_are_listed_newest_first(service: Service, admin: Administrator) -> None:
    first, second, third = await finished(service, "slot-001", "slot-002", "slot-001")
    page = await admin.get("/api/results?limit=2")
    assert [item["job_id"] for item in page["items"]] == [third, second]
    rest = await admin.get(f"/api/results?limit=2&cursor={page['next_cursor']}")
    assert ([item["job_id"] for item in rest["items"]], rest["next_cursor"]) == ([first], None)
    item = page["items"][1]
    slot = await admin.get("/api/slots/slot-002")
    assert (item["slot_id"], item["slot_name"]) == ("slot-002", slot["name"])
    assert (item["source"], item["visibility"], item["result"]["outcome"]) == ("ingest", "shown", "success")
    job = await admin.get(f"/api/jobs/{second}")
    assert (item["completed_at"], item["duration_ms"]) == (job["finalized_at"], job["total_ms"])
    assert (await service.client.get(item["result"]["url"])).content == PICTURE
    thumbnail = await service.client.get(item["result"]["thumbnail_url"])
    assert thumbnail.headers["content-type"] == "image/webp"


async def test_the_list_is_narrowed(service: Service, admin: Administrator) -> None:
    first, second, third = await finished(service, "slot-001", "slot-002", "slot-003")
    ends = [item["completed_at"] for item in (await admin.get("/api/results"))["items"]]
    hidden = await admin("PUT", f"/api/results/{second}/visibility", json_body={"visibility": "hidden"})
    assert hidden.status_code == 200
    conditions = {
        "?slot_id=slot-001,slot-003": [third, first],
        "?slot_id=slot-002": [second],
        "?slot_id=slot-099": [],
        f"?from={ends[1]}": [third, second],
        f"?to={ends[1]}": [first],
        f"?from={ends[1]}&to={ends[0]}": [second],
        "?visibility=hidden": [second],
        "?visibility=shown": [third, first],
    }
    assert {query: await listed(admin, query) for query in conditions} == conditions


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2026-05-01T00:00:00", "from"),
        ("to=yesterday", "to"),
        ("visibility=pending", "visibility"),
        ("cursor=abc", "cursor"),
        ("occasion_id=1", "occasion_id"),
    ],
)
async def test_unknown_conditions_are_refused(admin: Administrator, query: str, field: str) -> None:
    assert fields_of(described(await admin("GET", f"/api/results?{query}"), 400, "invalid_request")) == {field}


async def test_test_runs_and_what_has_expired_or_was_erased_are_not_listed(
    service: Service, admin: Administrator
) -> None:
    kept, expired, erased = await finished(service, "slot-001", "slot-001", "slot-001")
    slot = await admin.get("/api/slots/slot-001")
    run = await admin.upload("/api/slots/slot-001/test-run", slot=json.dumps(slot))
    assert run.status_code == 200, run.text
    await service.expire_result(expired)
    assert (await admin("DELETE", f"/api/jobs/{erased}")).status_code == 204
    assert await listed(admin) == [kept]


async def test_a_hidden_picture_is_in_no_gallery_but_its_own_link_opens(service: Service, admin: Administrator) -> None:
    kept, hidden = await finished(service, "slot-001", "slot-001")
    gallery = await opened(admin)

    async def shown() -> list[str]:
        items = (await service.client.get(gallery)).json()["items"]
        return [item["download_url"].rsplit("/", 1)[1] for item in items]

    answer = await admin("PUT", f"/api/results/{hidden}/visibility", json_body={"visibility": "hidden"})
    assert (answer.status_code, answer.json()["visibility"]) == (200, "hidden")
    assert await shown() == [kept]
    described(await service.client.get(f"{gallery}?picture={hidden}"), 404, "not_found")
    assert (await service.client.get(f"{gallery}?picture={kept}")).status_code == 200
    for link in (f"/public/results/{hidden}", f"/public/results/{hidden}/thumbnail"):
        assert (await service.client.get(link)).status_code == 200
    again = await admin("PUT", f"/api/results/{hidden}/visibility", json_body={"visibility": "shown"})
    assert again.json()["visibility"] == "shown"
    assert await shown() == [hidden, kept]


async def test_one_picture_is_read_as_in_the_list(service: Service, admin: Administrator) -> None:
    first, second = await finished(service, "slot-001", "slot-002")
    await admin("PUT", f"/api/results/{first}/visibility", json_body={"visibility": "hidden"})
    listed = {item["job_id"]: item for item in (await admin.get("/api/results"))["items"]}
    for job_id, visibility in ((first, "hidden"), (second, "shown")):
        answer = await admin("GET", f"/api/results/{job_id}")
        assert answer.json() == listed[job_id]
        assert (answer.json()["visibility"], answer.headers["cache-control"]) == (visibility, "no-store")
    assert (await admin("DELETE", f"/api/jobs/{first}")).status_code == 204
    described(await admin("GET", f"/api/results/{first}"), 410, "expired")


async def test_a_change_of_visibility_is_audited_once_and_sent_live(service: Service, admin: Administrator) -> None:
    (job_id,) = await finished(service, "slot-001")
    async with listening(admin) as events:
        for visibility in ("hidden", "hidden", "shown"):
            answer = await admin("PUT", f"/api/results/{job_id}/visibility", json_body={"visibility": visibility})
            assert answer.status_code == 200
        seen: list[Any] = []
        async for event in events:
            body = json.loads(event["data"]) if event.get("event") == "job" else {}
            seen += [body["detail"]] if body.get("event") == "visibility" else []
            if len(seen) == 2:
                break
    assert seen == [{"visibility": "hidden"}, {"visibility": "shown"}]
    for action in ("result_hidden", "result_shown"):
        (entry,) = await admin.audit(action)
        assert (entry["actor"], entry["target"], entry["detail"]) == ("admin", job_id, {"slot_id": "slot-001"})


async def test_only_pictures_of_guests_have_a_visibility(service: Service, admin: Administrator) -> None:
    expired, right = await finished(service, "slot-001", "slot-001")
    slot = await admin.get("/api/slots/slot-001")
    run = (await admin.upload("/api/slots/slot-001/test-run", slot=json.dumps(slot))).json()
    await service.expire_result(expired)
    wanted = {"visibility": "hidden"}
    unknown = "01980000-0000-7000-8000-000000000000"
    cases = [(run["job_id"], 404, "not_found"), (expired, 410, "expired"), (unknown, 404, "job_not_found")]
    for job_id, status, code in [*cases, ("x", 404, "job_not_found")]:
        described(await admin("PUT", f"/api/results/{job_id}/visibility", json_body=wanted), status, code)
        described(await admin("GET", f"/api/results/{job_id}"), status, code)
    for body in ({}, {"visibility": "pending"}, {"visibility": "hidden", "reason": "blurred"}):
        described(await admin("PUT", f"/api/results/{right}/visibility", json_body=body), 422, "invalid_settings")
    assert await admin.audit("result_hidden") == []


async def test_reading_needs_jobs_read_and_hiding_jobs_write(service: Service, admin: Administrator) -> None:
    (job_id,) = await finished(service, "slot-001")
    others = [one for one in Permission if one not in (Permission.JOBS_READ, Permission.JOBS_WRITE)]
    stranger = Administrator(service, await token_of(service, *others))
    reader = Administrator(service, await token_of(service, Permission.JOBS_READ))
    described(await stranger("GET", "/api/results"), 403, "permission_denied")
    assert await listed(reader) == [job_id]
    described(await stranger("GET", f"/api/results/{job_id}"), 403, "permission_denied")
    assert (await reader("GET", f"/api/results/{job_id}")).status_code == 200
    change = await reader("PUT", f"/api/results/{job_id}/visibility", json_body={"visibility": "hidden"})
    described(change, 403, "permission_denied")
