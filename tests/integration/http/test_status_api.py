"""The status over HTTP: the parts, the queue and what was found, as the page shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from photochanger.adapters.filesystem import FilesystemMediaStore
from photochanger.core.domain.accounts import Permission
from photochanger.core.domain.errors import StorageUnavailable
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.domain.worker import WorkerReport
from photochanger.core.ports.job_queue import JobQueue
from photochanger.core.ports.media_store import MediaStore
from photochanger.core.ports.workers import WorkerRegistry

from tests.support.administration import Administrator, sign_in, token_of
from tests.support.builders import new_job, outcome_failed
from tests.support.http_server import ADMIN_PASSWORD, PASSWORD, Service, serving

pytestmark = pytest.mark.anyio


def found(status: dict[str, Any], part: str) -> dict[str, Any]:
    """The one finding of a part."""
    (finding,) = [finding for finding in status["findings"] if finding["part"] == part]
    return dict(finding)


async def test_the_status_tells_of_every_part_of_the_service(service: Service, admin: Administrator) -> None:
    queue = await service.opened.container.get(JobQueue)
    failed = await queue.enqueue(new_job(), max_active=10)
    assert await queue.mark_finalized(failed.id, outcome_failed(failed, provider_id="gemini"), claim=None)
    registry = await service.opened.container.get(WorkerRegistry)
    await registry.heartbeat(
        WorkerReport(name="booth-1", host="booth", pid=7, concurrency=4, running=2, version="0.2.0")
    )
    await service.change_slot("slot-002", entries=(RouteEntry("gemini", "image_edit"),))

    status = await admin.get("/api/status")
    ready = await service.client.get("/readyz")
    assert (status["ready"], status["parts"]) == (True, ready.json()["parts"])
    assert status["queue"] == {"pending": 0, "processing": 0, "by_provider": {}}
    (worker,) = [worker for worker in status["workers"] if worker["name"] == "booth-1"]
    assert (worker["running"], worker["concurrency"], worker["silent"]) == (2, 4, False)
    assert status["disk"]["free_bytes"] > status["disk"]["floor_bytes"]
    (failure,) = status["last_failures"]
    assert (failure["job_id"], failure["code"]) == (str(failed.id), "provider_failed")
    assert found(status, "administrators") == {
        "part": "administrators",
        "says": "1 of 1 can log in",
        "fix": None,
        "code": "administrators_active",
        "params": {"count": 1, "total": 1},
    }
    assert found(status, "slot-001")["fix"] is None
    assert found(status, "slot-002")["fix"] == "Change the slot's route, or install the provider's package."
    answer = await admin("GET", "/api/status")
    assert answer.headers["cache-control"] == "no-store"
    for secret in (PASSWORD, ADMIN_PASSWORD, admin.token):
        assert secret not in answer.text


async def test_a_reader_of_slots_alone_is_not_told_of_the_machine(service: Service) -> None:
    token = await token_of(service, *(one for one in Permission if one is not Permission.SETTINGS_READ))
    answer = await Administrator(service, token)("GET", "/api/status")
    assert answer.status_code == 403


class GoneStore(FilesystemMediaStore):
    """A folder that was taken away."""

    async def check(self) -> None:
        raise StorageUnavailable("The media folder cannot be read.")

    async def free_bytes(self) -> int | None:
        raise StorageUnavailable("The media folder cannot be read.")


async def test_a_store_that_cannot_be_asked_is_told_and_the_rest_is_shown(tmp_path: Path) -> None:
    async with serving(tmp_path, adapters={MediaStore: GoneStore(tmp_path / "media")}) as service:
        status = await (await sign_in(service)).get("/api/status")
    assert status["ready"] is False
    assert status["parts"]["store"] == {
        "ok": False,
        "detail": "The media folder cannot be read.",
        "code": "storage_unavailable",
    }
    assert (status["disk"]["free_bytes"], status["disk"]["enough"]) == (None, False)
    assert found(status, "disk")["fix"] is not None
    assert status["queue"]["pending"] == 0
