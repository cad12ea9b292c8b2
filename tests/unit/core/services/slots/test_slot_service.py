"""Slots for those who configure them: every field that does not fit is named, and what is stored was checked whole."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from photochanger.core.domain.audit import AuditAction
from photochanger.core.domain.errors import SlotNotFound, VersionConflict
from photochanger.core.domain.slots.slot import Branded, FailureAnswer, ResponseMode, RouteEntry, Slot, slot_document

from tests.support.slot_documents import ADA, LOCAL, StrictProvider, bound, document, entry, strict_world
from tests.support.world import SLOT, ScriptedProvider, World

pytestmark = pytest.mark.anyio


async def test_slots_are_found_by_provider_and_operation_and_by_id_or_name() -> None:
    world = World(ScriptedProvider("cloud"))
    await world.slot("cloud/frame", "local/enhance", id="slot-001")
    await world.slot("cloud/enhance", id="slot-002")
    await world.slot("local/frame", id="slot-003")
    slot = await world.slots.get("slot-003")
    await world.slots.save(msgspec.structs.replace(slot, name="Große Hochzeit"), expected_version=1)

    async def found(**wanted: str) -> list[str]:
        return [slot.id for slot in await world.slot_service.list(**wanted)]

    assert await found() == ["slot-001", "slot-002", "slot-003"]
    assert await found(provider_id="cloud") == ["slot-001", "slot-002"]
    assert await found(provider_id="cloud", operation_id="frame") == ["slot-001"]
    assert await found(operation_id="frame") == ["slot-001", "slot-003"]
    assert await found(provider_id="local", operation_id="frame") == ["slot-003"]  # of one entry, not of two
    assert await found(search="GROSSE") == ["slot-003"]
    assert await found(search="T-002") == ["slot-002"]
    assert await found(search="hochzeit", provider_id="cloud") == []


@pytest.mark.parametrize("slot_id", ["slot-016", "", "slot-001\0", "x" * 5000])
async def test_other_slots_are_not_found(slot_id: str) -> None:
    world = await strict_world()
    with pytest.raises(SlotNotFound):
        await world.slot_service.get(slot_id)
    with pytest.raises(SlotNotFound):
        await world.slot_service.check(slot_id, document())
    with pytest.raises(SlotNotFound):
        await world.slot_service.put(slot_id, document(), expected_version=1, by=ADA)
    with pytest.raises(SlotNotFound):
        await world.slot_service.reset_stats(slot_id, by=ADA)


# Writing


async def test_a_document_becomes_the_slot_field_by_field() -> None:
    world = await strict_world(StrictProvider("cloud"))
    (frame,) = await bound(world, "frame")
    until = datetime(2026, 5, 1, 22, 0, tzinfo=timezone(timedelta(hours=2)))
    stored = await world.slot_service.put(
        SLOT,
        {
            "name": "Wedding, oil painting",
            "active": False,
            "route": [entry("cloud", "enhance", prompt="Oil painting of {guest}"), entry("local", "frame")],
            "templates": [frame],
            "failure_answer": "branded",
            "branded": {"operation_id": "enhance", "settings": {"strength": 3}},
            "hedge": True,
            "late_rescue": True,
            "response_mode": "multipart",
            "prompt_fields": ["guest"],
            "keep_transparency": True,
            "max_upload_bytes": 5000,
            "gallery_open_until": until.isoformat(),
            "gallery_title": " Anna & Ben ",
        },
        expected_version=1,
        by=ADA,
    )
    assert stored == await world.slot_service.get(SLOT)
    assert (stored.name, stored.active, stored.version) == ("Wedding, oil painting", False, 2)
    assert (stored.max_upload_bytes, stored.gallery_open_until) == (5000, until)
    assert (stored.gallery_title, stored.title_for_guests) == ("Anna & Ben", "Anna & Ben")
    route = stored.route
    assert route.entries == (
        RouteEntry("cloud", "enhance", {"prompt": "Oil painting of {guest}"}),
        RouteEntry("local", "frame", {}),
    )
    assert [(binding.setting_key, binding.media_id) for binding in route.templates] == [("frame", frame["media_id"])]
    assert (route.failure_answer, route.branded) == (FailureAnswer.BRANDED, Branded("enhance", {"strength": 3}))
    assert (route.hedge, route.late_rescue, route.response_mode) == (True, True, ResponseMode.MULTIPART)
    assert (route.prompt_fields, route.keep_transparency) == (("guest",), True)


async def test_what_is_left_out_goes_to_its_default() -> None:
    world = await strict_world()
    await world.slot_service.put(
        SLOT, document(late_rescue=True, max_upload_bytes=2000, keep_transparency=True), expected_version=1, by=ADA
    )
    slot = await world.slot_service.put(SLOT, document(), expected_version=2, by=ADA)
    plain = Slot(SLOT, "Wedding", True, slot.route)
    assert slot_document(slot) == slot_document(plain)
    assert (slot.route.late_rescue, slot.route.keep_transparency, slot.max_upload_bytes) == (False, False, None)


async def test_what_was_read_can_be_sent_back_with_what_is_only_read() -> None:
    world = await strict_world()
    slot = await world.slot_service.get(SLOT)
    read = slot_document(slot) | {
        "id": "slot-009",
        "etag": '"77"',
        "ingest_url": "https://elsewhere.example",
        "recent_results": [],
        "updated_at": None,
        "stats_reset_at": "yesterday",
    }
    assert await world.slot_service.check(SLOT, read) == slot
    assert await world.slot_service.put(SLOT, read, expected_version=1, by=ADA) == slot
    assert world.audit.entries == []  # nothing was changed


async def test_checking_stores_nothing() -> None:
    world = await strict_world()
    checked = await world.slot_service.check(SLOT, document(name="Tried"))
    assert checked.name == "Tried"
    assert (await world.slot_service.get(SLOT)).name == "A slot"


async def test_of_two_writers_one_wins_and_the_other_gets_a_conflict() -> None:
    world = await strict_world()
    writing = [world.slot_service.put(SLOT, document(name=f"Writer {n}"), expected_version=1, by=ADA) for n in range(3)]
    ends = await asyncio.gather(*writing, return_exceptions=True)
    (won,) = [end for end in ends if isinstance(end, Slot)]
    assert [type(end) for end in ends if end is not won] == [VersionConflict, VersionConflict]
    assert await world.slot_service.get(SLOT) == won
    assert len(world.audit.entries) == 1


async def test_a_version_conflict_is_reported_before_field_errors() -> None:
    world = await strict_world()
    stored = await world.slot_service.put(SLOT, document(), expected_version=1, by=ADA)
    for stale in (slot_document(stored), document(name="")):
        with pytest.raises(VersionConflict):
            await world.slot_service.put(SLOT, stale, expected_version=1, by=ADA)


async def test_a_lost_race_while_saving_is_a_conflict_too() -> None:
    world = await strict_world()
    save = world.slots.save

    async def somebody_was_first(slot: Slot, **how: Any) -> Slot | None:
        world.slots.save = save
        await save(msgspec.structs.replace(slot, name="First"), expected_version=1)
        return await save(slot, **how)

    world.slots.save = somebody_was_first
    with pytest.raises(VersionConflict):
        await world.slot_service.put(SLOT, document(), expected_version=1, by=ADA)
    assert (await world.slot_service.get(SLOT)).name == "First"


async def test_the_audit_log_tells_what_changed_and_nothing_else() -> None:
    world = await strict_world()
    await world.slot_service.put(
        SLOT, document(route=[entry(prompt="x" * 5000)], max_upload_bytes=2000), expected_version=1, by=ADA
    )
    (told,) = world.audit.entries
    assert (told.action, told.actor, told.address, told.target) == (AuditAction.SLOT_CHANGED, "ada", "192.0.2.1", SLOT)
    changed = told.detail["changed"]
    assert changed.keys() == {"name", "route", "max_upload_bytes"}
    assert changed["name"] == ["A slot", "Wedding"]
    assert changed["max_upload_bytes"] == [None, 2000]
    before, after = changed["route"]
    assert before == [LOCAL]
    assert after[0]["settings"]["prompt"] == "x" * 1999 + "…"


async def test_jobs_under_way_keep_what_they_began_with() -> None:
    world = await strict_world()
    job = await world.submit()
    await world.slot_service.put(SLOT, document(active=False, route=[]), expected_version=1, by=ADA)
    assert (await world.work()).route == job.route


async def test_a_reset_of_statistics_keeps_the_version() -> None:
    world = await strict_world()
    await world.slot_service.reset_stats(SLOT, by=ADA)
    slot = await world.slot_service.get(SLOT)
    assert (slot.stats_reset_at, slot.version) == (world.clock.now(), 1)
    (told,) = world.audit.entries
    assert (told.action, told.actor, told.target) == (AuditAction.STATS_RESET, "ada", SLOT)


# Refusing
