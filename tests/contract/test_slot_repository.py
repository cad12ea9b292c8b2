"""The SlotRepository contract: fifteen slots, and no write over somebody else's."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

import msgspec
import pytest
from photochanger.core.errors import SlotNotFound
from photochanger.core.slots import (
    SLOT_IDS,
    Branded,
    FailureAnswer,
    ResponseMode,
    Route,
    RouteEntry,
    Slot,
    TemplateBinding,
    shipped_slots,
)

pytestmark = pytest.mark.anyio

FULL = Slot(
    "slot-007",
    "Wedding “Ä”",
    True,
    Route(
        entries=(RouteEntry("gemini", "image_edit", {"prompt": "Oil of {guest}", "n": 1.5, "deep": {"a": [1, None]}}),),
        templates=(TemplateBinding("style", "0198"),),
        failure_answer=FailureAnswer.BRANDED,
        branded=Branded("frame", {"text": "Sorry"}),
        hedge=True,
        late_rescue=True,
        response_mode=ResponseMode.MULTIPART,
        prompt_fields=("guest",),
    ),
    max_upload_bytes=2**33,
    gallery_open_until=datetime(2026, 6, 1, tzinfo=UTC),
)


@pytest.fixture
async def shipped(backend: SimpleNamespace) -> SimpleNamespace:
    await backend.slots.add_missing(shipped_slots())
    return backend


async def test_all_slots_come_by_id_as_they_were_added(backend: SimpleNamespace) -> None:
    await backend.slots.add_missing(shipped_slots()[::-1])
    slots = await backend.slots.all()
    assert [slot.id for slot in slots] == [*SLOT_IDS]
    assert [msgspec.structs.replace(slot, updated_at=None) for slot in slots] == [*shipped_slots()]


async def test_an_unknown_slot_is_not_found(shipped: SimpleNamespace) -> None:
    for unknown in ("slot-016", "slot-abc", "", "slot-001'; --"):
        with pytest.raises(SlotNotFound):
            await shipped.slots.get(unknown)
    with pytest.raises(SlotNotFound):
        await shipped.slots.save(msgspec.structs.replace(FULL, id="slot-016"), expected_version=1)


async def test_every_field_of_a_slot_is_kept(shipped: SimpleNamespace) -> None:
    saved = await shipped.slots.save(FULL, expected_version=1)
    assert saved is not None
    assert saved.updated_at is not None
    assert msgspec.structs.replace(saved, version=1, updated_at=None) == FULL
    assert await shipped.slots.get("slot-007") == saved


async def test_each_save_makes_the_next_version(shipped: SimpleNamespace) -> None:
    slot = await shipped.slots.get("slot-007")
    for version in (2, 3, 4):
        slot = await shipped.slots.save(slot, expected_version=slot.version)
        assert slot.version == version


async def test_a_save_over_another_version_is_refused_and_changes_nothing(shipped: SimpleNamespace) -> None:
    saved = await shipped.slots.save(FULL, expected_version=1)
    for other in (1, 3):
        assert await shipped.slots.save(msgspec.structs.replace(FULL, name="late"), expected_version=other) is None
    assert await shipped.slots.get("slot-007") == saved


async def test_of_concurrent_saves_one_wins(shipped: SimpleNamespace) -> None:
    answers = await asyncio.gather(
        *(
            shipped.slots.save(msgspec.structs.replace(FULL, name=f"name {number}"), expected_version=1)
            for number in range(8)
        )
    )
    (winner,) = [answer for answer in answers if answer is not None]
    assert await shipped.slots.get("slot-007") == winner


async def test_adding_again_leaves_edited_slots_as_they_are(shipped: SimpleNamespace) -> None:
    saved = await shipped.slots.save(FULL, expected_version=1)
    await shipped.slots.add_missing(shipped_slots())
    assert await shipped.slots.get("slot-007") == saved
    assert len(await shipped.slots.all()) == len(SLOT_IDS)
