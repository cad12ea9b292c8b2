"""Slots for those who configure them: every field that does not fit is named, and what is stored was checked whole."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest
from photochanger.core.domain.accounts import Actor
from photochanger.core.domain.audit import AuditAction
from photochanger.core.domain.errors import (
    InvalidSettings,
    QueueUnavailable,
    SlotNotFound,
    TemplateNotFound,
    VersionConflict,
)
from photochanger.core.domain.field_errors import FieldErrorCode
from photochanger.core.domain.slots.slot import Branded, FailureAnswer, ResponseMode, RouteEntry, Slot, slot_document
from photochanger.core.domain.validation import parse_fields

from tests.support.world import SLOT, ScriptedProvider, World, chunks, picture

pytestmark = pytest.mark.anyio

ADA = Actor("ada", "192.0.2.1")
NOWHERE = "01980000-0000-7000-8000-000000000000"
LOCAL = {"provider_id": "local", "operation_id": "enhance", "settings": {}}


class Settings(msgspec.Struct, frozen=True):
    look: str = "oil"
    strength: Annotated[int, msgspec.Meta(ge=0, le=100)] = 100
    prompt: str = ""


class StrictProvider(ScriptedProvider):
    """A provider that looks at its settings."""

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        parse_fields(Settings, settings)


def document(**fields: Any) -> dict[str, Any]:
    return {"name": "Wedding", "active": True, "route": [LOCAL]} | fields


def entry(provider_id: str = "local", operation_id: str = "enhance", **settings: Any) -> dict[str, Any]:
    return {"provider_id": provider_id, "operation_id": operation_id, "settings": settings}


async def strict_world(*providers: ScriptedProvider, **route: Any) -> World:
    world = World(StrictProvider("local"), *providers)
    await world.slot(**route)
    return world


async def field_errors(world: World, **fields: Any) -> dict[str, FieldErrorCode]:
    """The codes a document is refused with, by field."""
    with pytest.raises(InvalidSettings) as refused:
        await world.slot_service.check(SLOT, document(**fields))
    return {error.field: error.code for error in refused.value.errors}


async def bound(world: World, *setting_keys: str) -> list[dict[str, str]]:
    """Templates bound under these keys, for a document."""
    made = [await world.templates.add(chunks(picture()), name=key, by=ADA) for key in setting_keys]
    return [
        {"setting_key": key, "media_id": str(template.id)} for key, template in zip(setting_keys, made, strict=True)
    ]


# Reading


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
            "max_upload_bytes": 5000,
            "gallery_open_until": until.isoformat(),
        },
        expected_version=1,
        by=ADA,
    )
    assert stored == await world.slot_service.get(SLOT)
    assert (stored.name, stored.active, stored.version) == ("Wedding, oil painting", False, 2)
    assert (stored.max_upload_bytes, stored.gallery_open_until) == (5000, until)
    route = stored.route
    assert route.entries == (
        RouteEntry("cloud", "enhance", {"prompt": "Oil painting of {guest}"}),
        RouteEntry("local", "frame", {}),
    )
    assert [(binding.setting_key, binding.media_id) for binding in route.templates] == [("frame", frame["media_id"])]
    assert (route.failure_answer, route.branded) == (FailureAnswer.BRANDED, Branded("enhance", {"strength": 3}))
    assert (route.hedge, route.late_rescue, route.response_mode) == (True, True, ResponseMode.MULTIPART)
    assert route.prompt_fields == ("guest",)


async def test_what_is_left_out_goes_to_its_default() -> None:
    world = await strict_world()
    await world.slot_service.put(
        SLOT, document(late_rescue=True, max_upload_bytes=2000, prompt_fields=["a"]), expected_version=1, by=ADA
    )
    slot = await world.slot_service.put(SLOT, document(), expected_version=2, by=ADA)
    plain = Slot(SLOT, "Wedding", True, slot.route)
    assert slot_document(slot) == slot_document(plain)
    assert (slot.route.late_rescue, slot.route.prompt_fields, slot.max_upload_bytes) == (False, (), None)


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


async def test_every_invalid_field_is_reported_at_once_with_its_path() -> None:
    world = await strict_world()
    (frame,) = await bound(world, "frame")
    found = await field_errors(
        world,
        name=" ",
        active="yes",
        route=[
            entry("local", "enhance", look=7, strength=101, colour="red"),
            entry("local", "teleport"),
            entry("nobody", "any"),
            {"provider_id": "local", "extra": 1},
            "local",
            entry("local", "enhance", prompt="For {guest} and {other}"),
        ],
        templates=[frame | {"setting_key": "hat"}, {"setting_key": "frame", "media_id": "7"}, None],
        failure_answer="sorry",
        branded={"operation_id": "enhance", "settings": {"strength": -1}},
        hedge=1,
        response_mode="fax",
        prompt_fields=["guest", "not a name", "guest"],
        max_upload_bytes=1,
        gallery_open_until="tomorrow",
        colour="red",
    )
    assert found.keys() == {
        "name",
        "active",
        "route.0.settings.look",
        "route.0.settings.strength",
        "route.0.settings.colour",
        "route.1.operation_id",
        "route.2.provider_id",
        "route.3.operation_id",
        "route.3.extra",
        "route.4",
        "route.5.settings.prompt",
        "templates.1.media_id",
        "templates.2",
        "failure_answer",
        "branded.settings.strength",
        "hedge",
        "response_mode",
        "prompt_fields.1",
        "prompt_fields.2",
        "max_upload_bytes",
        "gallery_open_until",
        "colour",
    }
    assert found["route.5.settings.prompt"] == FieldErrorCode.PROMPT_FIELD_UNKNOWN


async def test_nothing_follows_from_a_field_that_could_not_be_read() -> None:
    world = await strict_world()
    with pytest.raises(InvalidSettings) as refused:
        await world.slot_service.check(SLOT, document(route="local", hedge=True))
    assert [error.field for error in refused.value.errors] == ["route"]


async def test_what_is_needed_is_asked_for() -> None:
    world = await strict_world()
    with pytest.raises(InvalidSettings) as refused:
        await world.slot_service.check(SLOT, {})
    assert {error.field for error in refused.value.errors} == {"name", "active", "route"}


@pytest.mark.parametrize("name", ["", "   ", "\u200d", "\u0301", "a\nb", "a\tb", "\u202eslot", "a\u2028b", "x" * 121])
async def test_a_name_can_be_seen_and_is_one_line(name: str) -> None:
    assert (await field_errors(await strict_world(), name=name)).keys() == {"name"}


@pytest.mark.parametrize("name", ["x" * 120, "Свадьба", "👩‍👩‍👧 Müller <b>&", "  Wedding  "])
async def test_any_visible_name_will_do(name: str) -> None:
    world = await strict_world()
    assert (await world.slot_service.check(SLOT, document(name=name))).name == name.strip()


async def test_a_route_has_at_most_eight_entries_and_an_active_slot_at_least_one() -> None:
    world = await strict_world()
    await world.slot_service.check(SLOT, document(route=8 * [LOCAL]))
    assert (await field_errors(world, route=9 * [LOCAL])).keys() == {"route"}
    assert (await field_errors(world, route=50_000 * [entry("nobody")])).keys() > {"route"}
    assert (await field_errors(world, route=[])).keys() == {"route"}
    await world.slot_service.check(SLOT, document(route=[], active=False))


async def test_hedging_needs_two_entries() -> None:
    world = await strict_world()
    assert (await field_errors(world, hedge=True)).keys() == {"hedge"}
    await world.slot_service.check(SLOT, document(hedge=True, route=[LOCAL, LOCAL]))


async def test_an_entry_of_a_provider_that_is_gone_may_stay_but_not_change() -> None:
    world = await strict_world()
    old = entry("gone", "any", look="old")
    slot = await world.slots.get(SLOT)
    route = msgspec.structs.replace(slot.route, entries=(RouteEntry("gone", "any", {"look": "old"}),))
    await world.slots.save(msgspec.structs.replace(slot, route=route), expected_version=1)
    await world.slot_service.check(SLOT, document(name="Another name", route=[LOCAL, old]))
    assert (await field_errors(world, route=[old | {"settings": {}}])).keys() == {"route.0.provider_id"}
    assert (await field_errors(world, route=[entry("other", "any", look="old")])).keys() == {"route.0.provider_id"}


async def test_prompts_use_only_the_fields_that_are_allowed() -> None:
    world = await strict_world()
    asks = [entry(prompt="{guest} {table} {not a field}", look="{free}")]
    assert (await field_errors(world, route=asks, prompt_fields=["guest"])) == {
        "route.0.settings.prompt": FieldErrorCode.PROMPT_FIELD_UNKNOWN
    }
    await world.slot_service.check(SLOT, document(route=asks, prompt_fields=["guest", "table"]))


async def test_at_most_thirty_two_prompt_fields_are_allowed() -> None:
    world = await strict_world()
    names = [f"field_{number}" for number in range(33)]
    await world.slot_service.check(SLOT, document(prompt_fields=names[:32]))
    assert (await field_errors(world, prompt_fields=names)).keys() == {"prompt_fields"}


async def test_templates_are_bound_once_each_to_what_an_operation_takes() -> None:
    world = await strict_world()
    frame, hat = await bound(world, "frame", "hat")
    framed = [entry("local", "frame")]
    slot = await world.slot_service.check(SLOT, document(route=framed, templates=[frame]))
    assert slot.route.templates[0].media_id == frame["media_id"]
    assert (await field_errors(world, route=framed, templates=[hat])).keys() == {"templates.0.setting_key"}
    assert (await field_errors(world, route=framed, templates=[frame, frame])).keys() == {"templates.1.setting_key"}
    missing = {"setting_key": "frame", "media_id": NOWHERE}
    assert (await field_errors(world, route=framed, templates=[missing])).keys() == {"templates.0.media_id"}


async def test_a_template_may_be_for_the_failure_answer_alone() -> None:
    world = await strict_world()
    (frame,) = await bound(world, "frame")
    await world.slot_service.check(SLOT, document(templates=[frame], branded={"operation_id": "frame"}))
    plain = {"operation_id": "enhance"}
    assert (await field_errors(world, templates=[frame], branded=plain)).keys() == {"templates.0.setting_key"}


async def test_a_document_full_of_templates_costs_few_questions() -> None:
    world = await strict_world()
    many = [{"setting_key": f"key-{number}", "media_id": str(UUID(int=number))} for number in range(5000)]
    assert "templates" in await field_errors(world, templates=many)
    assert world.template_records.calls.count("get") <= 33


async def test_a_template_removed_while_it_is_bound_is_a_field_error() -> None:
    world = await strict_world()
    (frame,) = await bound(world, "frame")
    save = world.slots.save

    async def removed_before(slot: Slot, **how: Any) -> Slot | None:
        await world.templates.remove(UUID(frame["media_id"]), by=ADA)
        return await save(slot, **how)

    world.slots.save = removed_before
    with pytest.raises(InvalidSettings) as refused:
        await world.slot_service.put(SLOT, document(templates=[frame]), expected_version=1, by=ADA)
    assert isinstance(refused.value.__cause__, TemplateNotFound)
    assert [error.field for error in refused.value.errors] == ["templates"]


async def test_the_branded_answer_is_an_operation_of_this_machine() -> None:
    world = await strict_world(ScriptedProvider("cloud"))
    assert (await field_errors(world, branded={"operation_id": "teleport"})).keys() == {"branded.operation_id"}
    assert (await field_errors(world, branded={"settings": {}})).keys() == {"branded.operation_id"}
    assert (await field_errors(world, branded={"operation_id": "frame", "provider_id": "cloud"})).keys() == {
        "branded.provider_id"
    }
    wrong = {"operation_id": "frame", "settings": {"strength": 101}}
    assert (await field_errors(world, branded=wrong)).keys() == {"branded.settings.strength"}


@pytest.mark.parametrize(("bytes_", "fits"), [(1023, False), (1024, True), (2**30, True), (2**30 + 1, False)])
async def test_a_slots_own_bound_on_photos_lies_within_the_services(bytes_: int, fits: bool) -> None:
    world = await strict_world()
    if fits:
        await world.slot_service.check(SLOT, document(max_upload_bytes=bytes_))
    else:
        assert (await field_errors(world, max_upload_bytes=bytes_)).keys() == {"max_upload_bytes"}


async def test_a_gallery_is_open_for_a_year_at_most_and_its_end_has_a_time_zone() -> None:
    world = await strict_world()
    now = world.clock.now()
    for until in (now - timedelta(days=1), now + timedelta(days=366)):
        slot = await world.slot_service.check(SLOT, document(gallery_open_until=until.isoformat()))
        assert slot.gallery_open_until == until
    late = (now + timedelta(days=366, seconds=1)).isoformat()
    # In UTC the year 1 of some zones is a year that PostgreSQL keeps and Python cannot read: the slot would be lost.
    early = ("0001-01-01T00:00:00+14:00", "1999-12-31T23:59:59Z")
    for wrong in (late, *early, "2026-05-01T00:00:00", "9999-12-31T23:59:59-23:59", 7):
        assert (await field_errors(world, gallery_open_until=wrong)).keys() == {"gallery_open_until"}
    assert now.tzinfo is UTC


async def test_an_outage_is_said() -> None:
    world = await strict_world()
    (frame,) = await bound(world, "frame")
    world.template_records.faults["get"] = QueueUnavailable("away")
    with pytest.raises(QueueUnavailable):
        await world.slot_service.put(SLOT, document(templates=[frame]), expected_version=1, by=ADA)
    assert (await world.slot_service.get(SLOT)).version == 1
