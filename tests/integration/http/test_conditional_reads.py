"""Reads that are asked for again: whoever has the answer already is told that it still holds."""

from __future__ import annotations

import pytest

from tests.support.administration import Administrator
from tests.support.api_routes import routes
from tests.support.http_server import Service, until

pytestmark = pytest.mark.anyio

_OF_THIS_MOMENT = {
    "/api/events": "never ends",
    "/api/me": "tells how many seconds are left",
    "/api/status": "tells of the machine at this moment",
}
"""Reads without an ETag: no two of their answers are the same."""

_MAY = "from=2026-05-01T00:00:00Z&to=2026-05-02T00:00:00Z"


async def test_every_read_of_the_api_tells_whether_it_has_changed(service: Service, admin: Administrator) -> None:
    job_id = (await service.ingest()).headers["x-job-id"]
    await service.call_noted(job_id)

    async def photo_kept() -> bool:
        return (await admin("GET", f"/api/jobs/{job_id}/photo")).status_code == 200

    await until(photo_kept)
    service.clock.stop()  # else a minute may end between two reads of what is counted by the minute
    template = (await admin.upload("/api/template-media/register", name="A frame")).json()
    webhook = {"url": "https://hooks.example/photos"}
    assert (await admin("PUT", "/api/slots/slot-001/webhook", json_body=webhook)).status_code == 200
    filled = {"slot_id": "slot-001", "job_id": job_id, "template_id": template["id"], "name": "cat"}
    asked = 0
    for _, method, template_path in routes():
        if method != "GET" or not template_path.startswith("/api/") or template_path in _OF_THIS_MOMENT:
            continue
        path = template_path.format(**filled) + (f"?{_MAY}" if "/stats/" in template_path else "")
        first = await admin("GET", path)
        assert first.status_code == 200, (path, first.text)
        again = await admin("GET", path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b""), path
        for name in ("etag", "cache-control"):
            assert again.headers[name] == first.headers[name], path
        other = await admin("GET", path, headers={"If-None-Match": '"another"'})
        assert (other.status_code, other.content) == (200, first.content), path
        asked += 1
    assert asked >= 18


async def test_what_has_changed_is_sent(service: Service, admin: Administrator) -> None:
    await service.ingest()
    for path in ("/api/jobs", "/api/audit"):
        before = await admin("GET", path)
        await service.ingest()
        await admin.change_slot("slot-005", name=f"After {path}")
        after = await admin("GET", path, headers={"If-None-Match": before.headers["etag"]})
        assert after.status_code == 200
        assert after.headers["etag"] != before.headers["etag"]


async def test_no_cache_keeps_what_tells_of_people(service: Service, admin: Administrator) -> None:
    job_id = (await service.ingest(name="Ada")).headers["x-job-id"]
    for path in (f"/api/jobs/{job_id}", f"/api/jobs/{job_id}/logs", "/api/jobs", "/api/audit"):
        assert (await admin("GET", path)).headers["cache-control"] == "no-store"


async def test_nobody_without_a_token_is_told_that_something_has_not_changed(
    service: Service, admin: Administrator
) -> None:
    etag = (await admin("GET", "/api/slots")).headers["etag"]
    for tag in (etag, "*"):
        answer = await service.client.get("/api/slots", headers={"If-None-Match": tag})
        assert answer.status_code == 401
