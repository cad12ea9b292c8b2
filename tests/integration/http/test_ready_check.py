"""`POST /api/ready-check`: each slot is told of as it is known, and the providers at the end."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.support.administration import Administrator, described
from tests.support.http_server import Gate, Service, until

pytestmark = pytest.mark.anyio

PATH = "/api/ready-check"


async def next_line(lines: Any) -> dict[str, Any]:
    """The next line that is not a sign of life."""
    while not (line := await anext(lines)):
        pass
    found: dict[str, Any] = json.loads(line)
    return found


async def test_slots_are_told_of_as_they_are_known_and_one_check_runs_at_a_time(
    service: Service, admin: Administrator
) -> None:
    active = {slot["id"] for slot in (await admin.get("/api/slots"))["items"] if slot["active"]}
    assert "slot-001" in active
    limited = await admin("PUT", "/api/settings", json_body={"provider_limits": {"scripted": {"per_day": 100}}})
    assert limited.status_code == 200, limited.text
    service.clock.stop()  # else it may be midnight, when calls are counted anew
    service.provider.script = gate = Gate()
    headers = {"Authorization": f"Bearer {admin.token}"}
    async with service.client.stream("POST", PATH, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/x-ndjson"
        lines = answer.aiter_lines()
        begin = await next_line(lines)
        assert begin["kind"] == "begin"
        assert {slot["slot_id"] for slot in begin["slots"]} == active
        await gate.held(1)
        described(await admin("POST", PATH), 409, "check_running")
        gate.opened.set()
        found = [await next_line(lines) for _ in active]
        end = await next_line(lines)
    assert {line["slot_id"] for line in found} == active
    assert all(line["kind"] == "slot" and line["ready"] for line in found), found
    one = next(line for line in found if line["slot_id"] == "slot-001")
    assert (one["outcome"], one["provider_id"], one["entry"], one["calls"]) == ("picture", "scripted", 0, 1)
    assert (await admin.get(f"/api/jobs/{one['job_id']}"))["source"] == "test"
    assert (end["kind"], end["ready"], end["slots_ready"], end["slots_not_ready"]) == ("end", True, len(active), 0)
    (scripted,) = [provider for provider in end["providers"] if provider["id"] == "scripted"]
    assert scripted["key"]["state"] == "not_needed"
    assert scripted["limits"]["per_day"] == 100
    assert scripted["left_today"] == 100 - len(scripted["slots"])
    assert scripted["left_this_minute"] is None


async def test_a_client_that_hangs_up_ends_the_check(service: Service, admin: Administrator) -> None:
    service.provider.script = gate = Gate()
    headers = {"Authorization": f"Bearer {admin.token}"}
    async with service.client.stream("POST", PATH, headers=headers) as answer:
        lines = answer.aiter_lines()
        await next_line(lines)
        await gate.held(1)
    tried: list[int] = []

    async def free_again() -> bool:
        again: httpx.Response
        async with service.client.stream("POST", PATH, headers=headers) as again:
            tried.append(again.status_code)
            return again.status_code == 200

    await until(free_again)
    assert tried[-1] == 200
