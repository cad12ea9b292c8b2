"""Jobs over HTTP: lists that can be narrowed and paged, everything about one, and its end by hand."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from photochanger.core.domain.media import MediaKind

from tests.support import photos
from tests.support.administration import Administrator, described
from tests.support.http_server import Gate, Service, until

pytestmark = pytest.mark.anyio


async def test_jobs_are_listed_newest_first_with_how_long_they_took(service: Service, admin: Administrator) -> None:
    sent = [(await service.ingest()).headers["x-job-id"], (await service.ingest("slot-002")).headers["x-job-id"]]
    page = await admin.get("/api/jobs")
    assert [job["job_id"] for job in page["items"]] == sent[::-1]
    job = page["items"][0]
    assert job["wait_ms"] + job["processing_ms"] == pytest.approx(job["total_ms"], abs=2)
    assert job["remaining_ms"] == 0
    assert page["next_cursor"] is None


async def test_a_list_is_narrowed_by_what_is_asked(service: Service, admin: Administrator) -> None:
    await service.ingest()
    await service.ingest("slot-002")
    await admin.upload("/api/slots/slot-002/test-run")
    now = datetime.now(UTC)
    for query, count in (
        ("slot_id=slot-002", 2),
        ("source=test", 1),
        ("source=ingest&slot_id=slot-002", 1),
        ("state=succeeded", 3),
        ("state=failed,timed_out", 0),
        ("failure_reason=timeout", 0),
        (f"created_from={quote((now - timedelta(hours=1)).isoformat())}", 3),
        (f"created_to={quote((now - timedelta(hours=1)).isoformat())}", 0),
        ("sort=finalized_at", 3),
    ):
        assert len((await admin.get(f"/api/jobs?{query}"))["items"]) == count, query


async def test_pages_hold_every_job_once_however_many_come_meanwhile(service: Service, admin: Administrator) -> None:
    for _ in range(5):
        await service.ingest()
    for sort in ("-created_at", "created_at", "-finalized_at", "finalized_at"):
        before = {job["job_id"] for job in (await admin.get("/api/jobs"))["items"]}
        page = await admin.get(f"/api/jobs?limit=2&sort={sort}")
        seen = [job["job_id"] for job in page["items"]]
        while page["next_cursor"] is not None:
            if sort.startswith("-"):
                await service.ingest()
            page = await admin.get(f"/api/jobs?limit=2&sort={sort}&cursor={page['next_cursor']}")
            seen += [job["job_id"] for job in page["items"]]
        assert len(seen) == len(set(seen)), sort
        assert set(seen) == before, sort


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "state=lost",
        "state=",
        "cursor=x",
        "sort=sideways",
        "created_from=yesterday",
        "created_from=2026-05-01T00:00:00",
        "colour=red",
        "limit=1&limit=2",
        "slot_id=%00",
        "failure_reason=bad_luck",
    ],
)
async def test_a_query_that_cannot_be_meant_is_refused(admin: Administrator, query: str) -> None:
    problem = described(await admin("GET", f"/api/jobs?{query}"), 400, "invalid_request")
    assert problem["errors"]


async def test_everything_about_a_job(service: Service, admin: Administrator) -> None:
    job_id = (await service.ingest(guest="Ada")).headers["x-job-id"]
    await service.call_noted(job_id)
    job = await admin.get(f"/api/jobs/{job_id}")
    assert job["metadata"] == {"guest": "Ada"}
    assert job["photo"]["mime"] == "image/jpeg"
    assert job["route"][0]["provider_id"] == "scripted"
    events = [entry["event"] for entry in job["logs"]]
    assert events[0] == "received"
    assert {"attempt", "finalized"} <= {*events}
    logs = await admin.get(f"/api/jobs/{job_id}/logs")
    assert [entry["event"] for entry in logs["items"]] == events
    for path in ("/api/jobs/nonsense", "/api/jobs/01980000-0000-7000-8000-000000000000"):
        described(await admin("GET", path), 404, "job_not_found")
        described(await admin("GET", f"{path}/logs"), 404, "job_not_found")
        described(await admin("POST", f"{path}/cancel"), 404, "job_not_found")


async def test_a_guest_with_the_link_is_told_less_than_an_administrator(service: Service, admin: Administrator) -> None:
    made = (await service.ingest(headers={"Prefer": "respond-async"})).json()
    told = (await service.client.get(made["status_url"])).json()
    assert not {"metadata", "logs", "route"} & set(told)
    assert {"metadata", "logs", "route"} <= set(await admin.get(f"/api/jobs/{made['job_id']}"))


async def test_a_job_is_cancelled_once_and_its_guest_is_told(service: Service, admin: Administrator) -> None:
    gate = Gate()
    service.provider.script = gate
    waiting = asyncio.ensure_future(service.ingest())
    await gate.held(1)
    job_id = str((await service.only_job()).id)
    live = (await admin.get("/api/jobs?state=processing"))["items"]
    assert [job["job_id"] for job in live] == [job_id]
    assert live[0]["remaining_ms"] > 0
    cancelled = await admin("POST", f"/api/jobs/{job_id}/cancel")
    assert cancelled.status_code == 202
    assert cancelled.json()["state"] == "cancelled"
    described(await waiting, 409, "job_cancelled")
    described(await admin("POST", f"/api/jobs/{job_id}/cancel"), 409, "job_finalized")
    (entry,) = await admin.audit("job_cancelled")
    assert entry["target"] == job_id


async def test_a_job_that_has_ended_cannot_be_cancelled(service: Service, admin: Administrator) -> None:
    job_id = (await service.ingest()).headers["x-job-id"]
    described(await admin("POST", f"/api/jobs/{job_id}/cancel"), 409, "job_finalized")
    assert (await admin.get(f"/api/jobs/{job_id}"))["state"] == "succeeded"


async def test_a_small_photo_stands_beside_the_picture(service: Service, admin: Administrator) -> None:
    sent = photos.located("JPEG", 1200, 800, orientation=6)
    job_id = (await service.ingest(photo=sent)).headers["x-job-id"]

    async def made() -> bool:
        return (await admin("GET", f"/api/jobs/{job_id}/photo")).status_code == 200

    await until(made)
    answer = await admin("GET", f"/api/jobs/{job_id}/photo")
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["cache-control"].startswith("private")
    small = photos.pixels(answer.content)
    assert (small.width, small.height) == (341, 512)  # upright
    assert not small.getexif()
    again = await admin("GET", f"/api/jobs/{job_id}/photo", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert len(await service.files(MediaKind.PREVIEWS)) == 2
    purge = await admin("POST", "/api/media/cache/purge", json_body={"scope": "full"})  # removes no copy in use
    assert purge.status_code == 202
    await service.purged()
    assert await made()
    await service.expire_result(job_id)
    described(await admin("GET", f"/api/jobs/{job_id}/photo"), 410, "expired")
    assert (await admin("POST", "/api/media/cache/purge", json_body={"scope": "full"})).status_code == 202
    await service.purged()
    assert await service.files(MediaKind.PREVIEWS) == []
    described(await admin("GET", "/api/jobs/01980000-0000-7000-8000-000000000000/photo"), 404, "job_not_found")
