"""Erasing the guest of a job over HTTP: links, lists, live events, and calls that are still under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from photochanger.adapters.filesystem import FilesystemMediaStore
from photochanger.core.domain.accounts import Permission
from photochanger.core.domain.errors import StorageUnavailable
from photochanger.core.domain.media import MediaKey, MediaKind
from photochanger.core.ports.media_service import MediaService
from photochanger.core.ports.media_store import MediaStore

from tests.support import photos
from tests.support.administration import Administrator, described, token_of
from tests.support.http_server import Gate, Service, serving, until

pytestmark = pytest.mark.anyio

MARK = "Ada-Lovelace-1815"


async def files(service: Service) -> list[MediaKey]:
    return [key for kind in MediaKind for key in await service.files(kind)]


def remembered(service: Service) -> str:
    """Everything that the database holds, as text."""
    return repr({name: value for name, value in vars(service.database).items() if name != "clock"})


async def previews_made(service: Service) -> None:
    """Return once both small copies are stored."""

    async def both() -> bool:
        return len(await service.files(MediaKind.PREVIEWS)) == 2

    await until(both)


async def finished(service: Service) -> str:
    """A job with everything that belongs to one, ended and answered."""
    photo = photos.jpeg(160, 120)
    answer = await service.ingest(photo=photo, headers={"Idempotency-Key": MARK, "User-Agent": MARK}, guest=MARK)
    assert answer.status_code == 200
    job_id = str(answer.headers["x-job-id"])
    await service.call_noted(job_id)
    await previews_made(service)
    return job_id


async def test_an_erased_guest_leaves_nothing(service: Service, admin: Administrator) -> None:
    job_id = await finished(service)

    async def noted() -> bool:
        return "slot-001" in service.database.ingest_requests

    await until(noted)
    assert MARK in remembered(service)
    answer = await admin("DELETE", f"/api/jobs/{job_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert MARK not in remembered(service)
    assert await files(service) == []
    (entry,) = await admin.audit("job_erased")
    assert (entry["target"], entry["detail"]) == (job_id, {"slot_id": "slot-001"})
    job = await admin.get(f"/api/jobs/{job_id}")
    assert (job["state"], job["metadata"], job["photo"], job["result"]) == ("succeeded", {}, None, None)
    assert job["erased_at"] is not None
    assert [entry["event"] for entry in job["logs"]].count("erased") == 1
    stats = await admin.get("/api/stats/slot-001")
    assert stats["summary"]["success"] == 1


async def test_links_and_lists_of_an_erased_guest_are_closed(service: Service, admin: Administrator) -> None:
    job_id, kept = await finished(service), (await service.ingest()).headers["x-job-id"]
    open_until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert (await admin.change_slot(gallery_open_until=open_until)).status_code == 200
    etag = (await service.client.get(f"/public/results/{job_id}")).headers["etag"]
    assert (await admin("DELETE", f"/api/jobs/{job_id}")).status_code == 204
    for path in (f"/public/results/{job_id}", f"/public/results/{job_id}/thumbnail"):
        described(await service.client.get(path), 410, "expired")
        described(await service.client.get(path, headers={"If-None-Match": etag}), 410, "expired")
    described(await admin("GET", f"/api/jobs/{job_id}/photo"), 410, "expired")
    gallery = (await service.client.get("/public/gallery/slot-001")).json()
    assert [item["download_url"].rsplit("/", 1)[1] for item in gallery["items"]] == [kept]
    slot = await admin.get("/api/slots/slot-001")
    assert [one["job_id"] for one in slot["recent_results"]] == [kept]


async def test_a_media_object_of_an_erased_job_is_gone(service: Service, admin: Administrator) -> None:
    gate = Gate()
    service.provider.script = gate
    waiting = asyncio.ensure_future(service.ingest())
    await gate.held(1)
    job = await service.only_job()
    media = await service.opened.container.get(MediaService)
    made = await media.register(one_chunk(), mime="image/jpeg", max_bytes=100, job=job)
    assert (await service.client.get(f"/public/media/{made.id}")).status_code == 200
    assert (await admin("DELETE", f"/api/jobs/{job.id}")).status_code == 204
    described(await service.client.get(f"/public/media/{made.id}"), 410, "expired")
    described(await waiting, 409, "job_cancelled")
    assert await files(service) == []


async def test_a_running_job_is_erased_and_its_late_picture_is_not_stored(
    service: Service, admin: Administrator
) -> None:
    gate = Gate()
    service.provider.script = gate
    waiting = asyncio.ensure_future(service.ingest(guest=MARK))
    await gate.held(1)
    job_id = (await service.only_job()).id
    assert (await admin("DELETE", f"/api/jobs/{job_id}")).status_code == 204
    gate.opened.set()
    described(await waiting, 409, "job_cancelled")
    service.provider.script = service.provider._picture
    kept = (await service.ingest("slot-002")).headers["x-job-id"]  # the worker goes on
    await service.call_noted(kept)
    await previews_made(service)
    assert MARK not in remembered(service)
    assert all(kept in key.name for key in await files(service))
    job = await admin.get(f"/api/jobs/{job_id}")
    assert (job["state"], job["failure_reason"], job["result"]) == ("cancelled", "cancelled", None)
    assert (await admin.get("/api/stats/slot-001"))["summary"]["cancelled"] == 1


async def test_a_waiting_job_is_erased_too(service: Service, admin: Administrator) -> None:
    gate = Gate()
    service.provider.script = gate
    held = [asyncio.ensure_future(service.ingest()) for _ in range(20)]
    await gate.held(1)
    pending = (await admin.get("/api/jobs?state=pending"))["items"]
    for job in pending:
        assert (await admin("DELETE", f"/api/jobs/{job['job_id']}")).status_code == 204
    gate.opened.set()
    answers = [(await answer).status_code for answer in held]
    assert answers.count(409) == len(pending)


async def test_erasing_again_and_erasing_the_unknown(service: Service, admin: Administrator) -> None:
    job_id = (await service.ingest()).headers["x-job-id"]
    for _ in range(2):
        assert (await admin("DELETE", f"/api/jobs/{job_id}")).status_code == 204
    assert len(await admin.audit("job_erased")) == 1
    for unknown in ("01980000-0000-7000-8000-000000000000", "nonsense"):
        described(await admin("DELETE", f"/api/jobs/{unknown}"), 404, "job_not_found")
    assert len(await admin.audit("job_erased")) == 1


async def test_only_those_who_may_change_jobs_erase(service: Service, admin: Administrator) -> None:
    job_id = (await service.ingest()).headers["x-job-id"]
    reader = Administrator(service, await token_of(service, Permission.JOBS_READ))
    described(await reader("DELETE", f"/api/jobs/{job_id}"), 403, "permission_denied")
    described(await service.client.delete(f"/api/jobs/{job_id}"), 401, "invalid_token")
    job = await service.job(job_id)
    link = f"/api/jobs/{job_id}?token={job.access_token}"
    described(await service.client.delete(link), 401, "invalid_token")
    assert (await service.client.get(f"/public/results/{job_id}")).status_code == 200


async def test_live_events_tell_of_an_erasure(service: Service, admin: Administrator) -> None:
    job_id = (await service.ingest()).headers["x-job-id"]
    headers = {"Authorization": f"Bearer {admin.token}"}
    async with (
        service.client.stream("GET", "/api/events", headers=headers) as stream,
        aclosing(stream.aiter_lines()) as lines,
    ):
        async for line in lines:
            if line.startswith("event: queue"):
                break
        assert (await admin("DELETE", f"/api/jobs/{job_id}")).status_code == 204
        async for line in lines:
            if line.startswith("data: ") and '"event":"erased"' in line:
                assert job_id in line
                break


class BrokenStore(FilesystemMediaStore):
    """A folder whose results cannot be deleted while `broken`."""

    broken = False

    async def delete(self, key: MediaKey) -> bool:
        if self.broken and key.kind is MediaKind.RESULTS:
            raise StorageUnavailable("The folder is read-only.")
        return await super().delete(key)


async def test_files_that_cannot_be_deleted_are_deleted_by_the_next_call(tmp_path: Path) -> None:
    store = BrokenStore(tmp_path / "media")
    async with serving(tmp_path, adapters={MediaStore: store}) as service:
        admin = Administrator(service, await token_of(service, *Permission))
        job_id = await finished(service)
        store.broken = True
        described(await admin("DELETE", f"/api/jobs/{job_id}"), 503, "storage_unavailable")
        described(await service.client.get(f"/public/results/{job_id}"), 410, "expired")
        assert MARK not in remembered(service)
        assert service.database.jobs[UUID(job_id)].erased_at is not None
        store.broken = False
        assert (await admin("DELETE", f"/api/jobs/{job_id}")).status_code == 204
        assert await files(service) == []


async def one_chunk() -> AsyncIterator[bytes]:
    yield b"a copy of the photo"
