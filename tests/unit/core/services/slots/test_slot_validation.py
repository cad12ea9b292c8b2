"""What a document of a slot must be: every field that does not fit is reported with its path and code."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from photochanger.core.domain.errors import InvalidSettings, QueueUnavailable, TemplateNotFound
from photochanger.core.domain.field_errors import FieldErrorCode
from photochanger.core.domain.slots.slot import RouteEntry, Slot

from tests.support.slot_documents import ADA, LOCAL, NOWHERE, bound, document, entry, field_errors, strict_world
from tests.support.world import SLOT, ScriptedProvider

pytestmark = pytest.mark.anyio


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
        gallery_title="two\nlines",
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
        "gallery_title",
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


@pytest.mark.parametrize(
    "name", ["", "   ", "\u200d", "\u0301", "a\nb", "a\tb", "\u202eslot", "a\u2028b", "x" * 121, "x" + " " * 120]
)
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
