"""Trying a slot over HTTP: the last test runs with their settings, recipes, sample photos."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from photochanger.core.domain.accounts import Permission
from photochanger.entrypoints.http.api.try_it.sample_photos import SAMPLE_PHOTOS
from photochanger.entrypoints.http.api.try_it.test_run import SHOWN_RUNS
from PIL import Image

from tests.support.administration import Administrator, described, token_of
from tests.support.http_server import Service

pytestmark = pytest.mark.anyio

SCRIPTED = {"provider_id": "scripted", "operation_id": "any", "settings": {}}


async def tried(admin: Administrator, slot_id: str, **changes: Any) -> str:
    """The id of a test run of the slot with these changes, which are not stored."""
    document = await admin.get(f"/api/slots/{slot_id}") | changes
    answer = await admin.upload(f"/api/slots/{slot_id}/test-run", slot=json.dumps(document))
    assert answer.status_code == 200, answer.text
    job_id: str = answer.json()["job_id"]
    return job_id


async def test_the_last_runs_of_a_slot_have_the_settings_that_they_ran_with(
    service: Service, admin: Administrator
) -> None:
    assert await admin.get("/api/slots/slot-002/test-runs") == {"items": [], "currency": {"code": "USD", "usd_rate": 1}}
    await service.ingest("slot-002")
    await tried(admin, "slot-001")
    first = await tried(admin, "slot-002", route=[SCRIPTED], prompt_fields=["guest"], late_rescue=True)
    second = await tried(admin, "slot-002", route=[SCRIPTED, SCRIPTED], failure_answer="original")
    newer, older = (await admin.get("/api/slots/slot-002/test-runs"))["items"]
    assert [newer["job_id"], older["job_id"]] == [second, first]
    assert (newer["state"], newer["source"], newer["cost"]["calls"]) == ("succeeded", "test", 1)
    assert newer["settings"]["route"] == [SCRIPTED, SCRIPTED]
    assert (newer["settings"]["failure_answer"], newer["settings"]["skipped_steps"]) == ("original", 0)
    assert (older["settings"]["prompt_fields"], older["settings"]["late_rescue"]) == (["guest"], True)
    assert (await admin.get(f"/api/jobs/{first}"))["settings"] == older["settings"]
    stored = await admin.get("/api/slots/slot-002")
    again = await admin(
        "PUT", "/api/slots/slot-002", headers={"If-Match": stored["etag"]}, json_body=stored | settings(older)
    )
    assert again.status_code == 200, again.text
    assert again.json()["prompt_fields"] == ["guest"]
    described(await admin("GET", "/api/slots/slot-099/test-runs"), 404, "slot_not_found")


def settings(run: dict[str, Any]) -> dict[str, Any]:
    """The settings of a run as a part of a slot's document."""
    return {name: value for name, value in run["settings"].items() if name != "skipped_steps"}


async def test_only_the_last_runs_are_listed(service: Service, admin: Administrator) -> None:
    job_ids = [await tried(admin, "slot-003") for _ in range(SHOWN_RUNS + 1)]
    listed = (await admin.get("/api/slots/slot-003/test-runs"))["items"]
    assert [run["job_id"] for run in listed] == job_ids[:0:-1]
    reader = Administrator(service, await token_of(service, Permission.SLOTS_READ, Permission.SLOTS_WRITE))
    described(await reader("GET", "/api/slots/slot-003/test-runs"), 403, "permission_denied")


async def test_a_slot_can_be_stored_from_a_recipe_of_each_language(admin: Administrator) -> None:
    english = (await admin.get("/api/recipes"))["items"]
    russian = (await admin.get("/api/recipes?language=ru"))["items"]
    assert [recipe["id"] for recipe in english] == [recipe["id"] for recipe in russian]
    assert english[0]["name"] != russian[0]["name"]
    assert all(step["settings"]["prompt"] == recipe["prompt"] for recipe in russian for step in recipe["steps"])
    described(await admin("GET", "/api/recipes?language=de"), 400, "invalid_request")


async def test_the_sample_photos_are_small_pictures(admin: Administrator) -> None:
    sizes = []
    for name in SAMPLE_PHOTOS:
        answer = await admin("GET", f"/api/sample-photos/{name}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert Image.open(io.BytesIO(answer.content)).width >= 400
        sizes.append(len(answer.content))
        tag = {"If-None-Match": answer.headers["etag"]}
        assert (await admin("GET", f"/api/sample-photos/{name}", headers=tag)).status_code == 304
    assert sum(sizes) < 300_000
    described(await admin("GET", "/api/sample-photos/pavilion"), 404, "not_found")
    described(await admin("GET", "/api/sample-photos/..%2Fcat"), 404, "not_found")
