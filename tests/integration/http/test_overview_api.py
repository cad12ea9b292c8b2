"""All slots at a glance over HTTP: their state and its reasons, the newest picture, and what they did today."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from photochanger.core.domain.job import FailureReason
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.ports.job_queue import JobQueue
from photochanger.core.ports.provider_limits import ProviderLimits
from photochanger.core.ports.repositories.slot_repository import SlotRepository

from tests.support.administration import ADMIN, Administrator, described
from tests.support.builders import new_job, outcome_failed
from tests.support.http_server import Gate, Service, until

pytestmark = pytest.mark.anyio


async def cards(admin: Administrator, query: str = "") -> dict[str, Any]:
    """The slots by id."""
    return {card["id"]: card for card in (await admin.get(f"/api/overview{query}"))["items"]}


async def fail(service: Service, slot_id: str, *, at: datetime) -> None:
    queue = await service.opened.container.get(JobQueue)
    job = await queue.enqueue(new_job(slot_id=slot_id), max_active=100)
    outcome = outcome_failed(job, failure_reason=FailureReason.TIMEOUT, finalized_at=at)
    assert await queue.mark_finalized(job.id, outcome, claim=None)


async def calls_reported(service: Service, calls: int) -> None:
    """Return once so many calls are in the figures of the scripted provider, which get them behind the guest's back."""
    limits = await service.opened.container.get(ProviderLimits)

    async def reported() -> bool:
        known = (await limits.health()).get("scripted")
        return known is not None and known.last_calls == calls

    await until(reported)


async def test_a_card_tells_of_a_slot_what_the_slot_itself_does(service: Service, admin: Administrator) -> None:
    answer = await service.ingest()
    assert answer.status_code == 200
    service.clock.stop()  # else a minute may end between two reads of what is counted by the minute
    slot = await admin.get("/api/slots/slot-001")
    found = await cards(admin)
    assert list(found) == [f"slot-{number:03d}" for number in range(1, 16)]
    card = found["slot-001"]
    assert sum(card["bars"]["pictures"]) == 1
    assert not any(card["bars"]["missed"])
    job = await service.job(answer.headers["x-job-id"])
    assert card == {
        "id": "slot-001",
        "name": slot["name"],
        "active": True,
        "state": "active",
        "reasons": [],
        "provider_id": "scripted",
        "operation_id": "any",
        "ingest_url": slot["ingest_url"],
        "gallery_url": slot["gallery_url"],
        "gallery_open_until": None,
        "last_photo_at": msgspec.to_builtins(job.created_at),
        "failures": {},
        "queue": {"pending": 0, "processing": 0},
        "bars": card["bars"],
        "last_result": slot["recent_results"][0],
        "today": card["today"],
    }
    assert card["last_result"]["job_id"] == answer.headers["x-job-id"]
    assert (found["slot-002"]["last_result"], found["slot-002"]["today"]["ingest_count"]) == (None, 0)
    first = await admin("GET", "/api/overview")
    again = await admin("GET", "/api/overview", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    only = await admin.get("/api/overview?slot_id=slot-001")
    assert only["items"] == [card]
    assert (await admin.get("/api/overview?slot_id=slot-404"))["items"] == []


async def test_the_evening_of_all_slots_together(service: Service, admin: Administrator) -> None:
    works = RouteEntry("scripted", "any")
    await service.change_slot("slot-005", active=True, entries=(works, RouteEntry("gone", "any")))
    for slot_id in ("slot-001", "slot-001", "slot-005"):
        assert (await service.ingest(slot_id)).status_code == 200
    await calls_reported(service, 3)
    await fail(service, "slot-001", at=datetime.now(UTC))
    await fail(service, "slot-001", at=datetime.now(UTC) - timedelta(minutes=17))
    queue = await service.opened.container.get(JobQueue)
    held = Gate()
    service.provider.script = held
    async with asyncio.TaskGroup() as group:
        group.create_task(service.ingest("slot-005"))
        await held.held(1)
        found = await admin.get("/api/overview")
        held.opened.set()
    assert found["queue"] == {"pending": 0, "processing": 1}
    last = found["last_minutes"]
    assert (last["photos"], last["pictures"], last["fallbacks"], last["failed"]) == (5, 3, 0, 1)
    assert last["p50_ms"] > 0
    by_id = {card["id"]: card for card in found["items"]}
    assert by_id["slot-001"]["failures"] == {"timeout": 1}
    assert sum(by_id["slot-001"]["bars"]["missed"]) == 2
    assert by_id["slot-005"]["queue"] == {"pending": 0, "processing": 1}
    providers = {one["id"]: one for one in found["providers"]}
    assert [*providers] == ["gone", "scripted"]
    assert providers["gone"]["reason"]["code"] == "provider_unknown"
    shown = providers["scripted"]
    assert (shown["title"], shown["slots"], shown["state"], shown["reason"]) == ("Scripted", 5, "working", None)
    assert (shown["last_calls"], shown["last_pictures"], shown["breaker"]) == (3, 3, "closed")
    assert (await queue.depth()).active == 0


async def test_the_newest_ready_check_is_known_to_all(service: Service, admin: Administrator) -> None:
    assert (await admin.get("/api/overview"))["ready_check"] is None
    for active, ready in ((True, True), (False, False)):
        for number in range(2, 16):
            await service.change_slot(f"slot-{number:03d}", active=False, entries=())
        await service.change_slot("slot-001", active=active, entries=(RouteEntry("scripted", "any"),))
        answer = await admin("POST", "/api/ready-check")
        assert answer.status_code == 200
        end = msgspec.json.decode(answer.content.splitlines()[-1])
        found = (await admin.get("/api/overview"))["ready_check"]
        counts = {name: end[name] for name in ("ready", "slots_ready", "slots_not_ready")}
        assert found == {"at": found["at"], **counts}
        assert counts == {"ready": ready, "slots_ready": int(active), "slots_not_ready": 0}
    entry, _ = (await admin.get("/api/audit?action=ready_checked"))["items"]
    assert (entry["actor"], entry["detail"]) == (ADMIN, {"slots_ready": 0, "slots_not_ready": 0})


async def test_today_begins_at_midnight_of_the_zone_or_with_the_reset(service: Service, admin: Administrator) -> None:
    service.clock.stop()  # else it may be midnight in one of the zones meanwhile
    now = service.clock.now()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    await fail(service, "slot-001", at=midnight - timedelta(hours=25))
    await fail(service, "slot-001", at=now)
    await fail(service, "slot-002", at=now)
    slots = await service.opened.container.get(SlotRepository)
    await slots.reset_stats("slot-002", at=now + timedelta(microseconds=1))
    for zone in ("UTC", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Niue"):
        found = await cards(admin, f"?tz={zone}")
        told = found["slot-001"]["today"]
        assert (told["timeouts"], told["success"], told["ingest_count"]) == (1, 0, 1), zone
        assert found["slot-002"]["today"]["ingest_count"] == 0, zone
    described(await admin("GET", "/api/overview?tz=Mars/Olympus"), 400, "invalid_request")


async def test_the_state_says_what_is_wrong(service: Service, admin: Administrator) -> None:
    gone, works = RouteEntry("gone", "any"), RouteEntry("scripted", "any")
    await service.change_slot("slot-001", active=False, entries=(gone,))
    await service.change_slot("slot-002", entries=(gone,))
    await service.change_slot("slot-003", entries=(gone, works))
    await service.change_slot("slot-004", entries=())
    await service.change_slot("slot-005", active=True, entries=(works,))
    for _ in range(3):
        await fail(service, "slot-005", at=datetime.now(UTC))
    found = await cards(admin)
    states = [found[f"slot-{number:03d}"]["state"] for number in range(1, 6)]
    assert states == ["off", "failing", "degraded", "failing", "failing"]
    assert found["slot-001"]["reasons"] == []
    assert [reason["code"] for reason in found["slot-003"]["reasons"]] == ["provider_unknown"]
    assert found["slot-003"]["reasons"][0]["params"]["provider"] == "gone"
    empty = {"code": "route_empty", "params": {}, "detail": "The route is empty."}
    assert (found["slot-004"]["provider_id"], found["slot-004"]["reasons"]) == (None, [empty])
    failed = {"count": 3, "total": 3}
    detail = "3 of the last 3 photos got no picture."
    assert found["slot-005"]["reasons"] == [{"code": "photos_failed", "params": failed, "detail": detail}]


async def test_statistics_of_all_tell_of_each_slot(service: Service, admin: Administrator) -> None:
    await service.ingest("slot-002")
    await fail(service, "slot-001", at=datetime.now(UTC))
    body = await admin.get("/api/stats/global")
    assert [(one["slot_id"], one["success"], one["timeouts"]) for one in body["slots"]] == [
        ("slot-001", 0, 1),
        ("slot-002", 1, 0),
    ]
    assert sum(one["ingest_count"] for one in body["slots"]) == body["summary"]["ingest_count"]
    assert body["slots"][1]["latency_ms"] == body["latency_ms"]
    only = await admin.get("/api/stats/global?slot_id=slot-002")
    assert [one["slot_id"] for one in only["slots"]] == ["slot-002"]
