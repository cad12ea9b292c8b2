"""The SlotRepository contract: fifteen slots, and no lost update."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID

import msgspec
import pytest
from photochanger.core.domain.accounts import COMMAND_LINE
from photochanger.core.domain.audit import AuditAction, AuditEntry, audit_entry
from photochanger.core.domain.errors import SlotNotFound, TemplateNotFound
from photochanger.core.domain.media import MediaKind, TemplateMedia
from photochanger.core.domain.settings import StoredPassword
from photochanger.core.domain.slots.slot import (
    Branded,
    FailureAnswer,
    ResponseMode,
    Route,
    RouteEntry,
    Slot,
    TemplateBinding,
    shipped_slots,
    slot_ids,
)

from tests.support.builders import stored_file

pytestmark = pytest.mark.anyio

STYLE = TemplateMedia(
    id=UUID("01980000-0000-7000-8000-000000000000"),
    file=stored_file(MediaKind.TEMPLATES),
    mime="image/png",
    width=3,
    height=2,
    name="A style",
    created_at=datetime(2026, 5, 1, tzinfo=UTC),
    created_by="ada",
)

FULL = Slot(
    "slot-007",
    "Wedding “Ä”",
    True,
    Route(
        entries=(RouteEntry("gemini", "image_edit", {"prompt": "Oil of {guest}", "n": 1.5, "deep": {"a": [1, None]}}),),
        templates=(TemplateBinding("style", str(STYLE.id)),),
        failure_answer=FailureAnswer.BRANDED,
        branded=Branded("frame", {"text": "Sorry"}),
        hedge=True,
        late_rescue=True,
        response_mode=ResponseMode.MULTIPART,
        prompt_fields=("guest",),
        keep_transparency=True,
    ),
    max_upload_bytes=2**33,
    gallery_open_until=datetime(2026, 6, 1, tzinfo=UTC),
    gallery_title="Anna & Ben ♥",
    ingest_password=StoredPassword("a hash", datetime(2026, 5, 1, tzinfo=UTC), "ada", "a digest"),
)


@pytest.fixture
async def shipped(backend: SimpleNamespace) -> SimpleNamespace:
    await backend.slots.add_missing(shipped_slots())
    await backend.templates.add(STYLE)
    return backend


async def test_all_slots_come_by_id_as_they_were_added(backend: SimpleNamespace) -> None:
    await backend.slots.add_missing(shipped_slots()[::-1])
    slots = await backend.slots.all()
    assert [slot.id for slot in slots] == [*slot_ids(15)]
    assert [msgspec.structs.replace(slot, updated_at=None) for slot in slots] == [*shipped_slots()]


async def test_an_ingest_password_is_replaced_only_if_its_hash_is_the_expected_one(shipped: SimpleNamespace) -> None:
    old = StoredPassword("old", datetime(2026, 5, 1, tzinfo=UTC), "ada")
    new = msgspec.structs.replace(old, hash="new", digest="digest")
    assert not await shipped.slots.replace_ingest_password("slot-007", new, expected_hash="old")
    slot = await shipped.slots.get("slot-007")
    saved = await shipped.slots.save(msgspec.structs.replace(slot, ingest_password=old), expected_version=1)
    assert not await shipped.slots.replace_ingest_password("slot-007", new, expected_hash="another")
    assert not await shipped.slots.replace_ingest_password("slot-016", new, expected_hash="old")
    assert await shipped.slots.get("slot-007") == saved
    assert await shipped.slots.replace_ingest_password("slot-007", new, expected_hash="old")
    assert await shipped.slots.get("slot-007") == msgspec.structs.replace(saved, ingest_password=new)
    removed = await shipped.slots.save(msgspec.structs.replace(saved, ingest_password=None), expected_version=2)
    assert removed.ingest_password is None
    assert await shipped.slots.get("slot-007") == removed
    assert not await shipped.slots.replace_ingest_password("slot-007", new, expected_hash="new")


async def test_an_unknown_slot_is_not_found(shipped: SimpleNamespace) -> None:
    for unknown in ("slot-016", "slot-abc", "", "slot-001'; --"):
        with pytest.raises(SlotNotFound):
            await shipped.slots.get(unknown)
        with pytest.raises(SlotNotFound):
            await shipped.slots.reset_stats(unknown, at=datetime(2026, 5, 1, tzinfo=UTC))
        with pytest.raises(SlotNotFound):
            await shipped.slots.save(msgspec.structs.replace(FULL, id=unknown), expected_version=1)


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
    assert len(await shipped.slots.all()) == 15


async def test_a_thousand_slots_come_by_number_and_a_smaller_number_removes_none(shipped: SimpleNamespace) -> None:
    saved = await shipped.slots.save(FULL, expected_version=1)
    await shipped.slots.add_missing(shipped_slots(1000)[::-1])
    await shipped.slots.add_missing(shipped_slots(5))
    slots = await shipped.slots.all()
    assert [slot.id for slot in slots] == [*slot_ids(1000)]
    assert slots[6] == saved
    assert (await shipped.slots.get("slot-1000")).name == "Slot 1000"


def entry() -> AuditEntry:
    """The audit entry of a change."""
    return audit_entry(AuditAction.SLOT_CHANGED, COMMAND_LINE, now=datetime(2026, 5, 1, tzinfo=UTC))


async def test_a_change_is_written_with_its_audit_entry_or_not_at_all(shipped: SimpleNamespace) -> None:
    await shipped.slots.save(FULL, expected_version=1, audit=entry())
    await shipped.slots.save(FULL, expected_version=1, audit=entry())
    assert len((await shipped.audit.find(limit=9)).items) == 1


@pytest.mark.parametrize("media_id", ["0198", "", "01980000-0000-7000-8000-000000000001"])
async def test_a_template_that_is_none_cannot_be_bound(shipped: SimpleNamespace, media_id: str) -> None:
    before = await shipped.slots.get("slot-007")
    route = msgspec.structs.replace(FULL.route, templates=(TemplateBinding("style", media_id),))
    with pytest.raises(TemplateNotFound):
        await shipped.slots.save(msgspec.structs.replace(FULL, route=route), expected_version=1, audit=entry())
    assert await shipped.slots.get("slot-007") == before
    assert not (await shipped.audit.find(limit=9)).items


async def test_added_slots_bring_their_bindings_and_those_that_are_there_keep_theirs(backend: SimpleNamespace) -> None:
    await backend.templates.add(STYLE)
    keys = ("style", "face", "Frame")
    route = msgspec.structs.replace(FULL.route, templates=tuple(TemplateBinding(key, str(STYLE.id)) for key in keys))
    await backend.slots.add_missing([msgspec.structs.replace(FULL, route=route)])
    kept = await backend.slots.get("slot-007")
    assert [binding.setting_key for binding in kept.route.templates] == ["Frame", "face", "style"]
    await backend.slots.add_missing([FULL, *shipped_slots()])
    await backend.slots.add_missing([])
    assert await backend.slots.get("slot-007") == kept
    (found,) = await backend.templates.find()
    assert found == (STYLE, (("slot-007", "Frame"), ("slot-007", "face"), ("slot-007", "style")))


async def test_a_refused_save_leaves_bindings_as_they_are(shipped: SimpleNamespace) -> None:
    saved = await shipped.slots.save(FULL, expected_version=1)
    bare = msgspec.structs.replace(FULL, route=msgspec.structs.replace(FULL.route, templates=()))
    assert await shipped.slots.save(bare, expected_version=1, audit=entry()) is None
    assert await shipped.slots.get("slot-007") == saved
    assert not (await shipped.audit.find(limit=9)).items


async def test_bindings_are_replaced_whole_and_read_by_key(shipped: SimpleNamespace) -> None:
    keys = ("style", "face", "frame")
    route = msgspec.structs.replace(FULL.route, templates=tuple(TemplateBinding(key, str(STYLE.id)) for key in keys))
    saved = await shipped.slots.save(msgspec.structs.replace(FULL, route=route), expected_version=1)
    assert [binding.setting_key for binding in saved.route.templates] == sorted(keys)
    assert await shipped.slots.get("slot-007") == saved
    assert (await shipped.slots.all())[6] == saved
    bare = msgspec.structs.replace(FULL, route=msgspec.structs.replace(FULL.route, templates=()))
    await shipped.slots.save(bare, expected_version=2)
    assert (await shipped.slots.get("slot-007")).route.templates == ()


async def test_a_reset_is_a_mark_that_later_saves_leave(shipped: SimpleNamespace) -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    await shipped.slots.reset_stats("slot-007", at=at, audit=entry())
    slot = await shipped.slots.get("slot-007")
    assert (slot.stats_reset_at, slot.version) == (at, 1)
    saved = await shipped.slots.save(FULL, expected_version=1)
    assert saved.stats_reset_at == at
    assert (await shipped.slots.get("slot-007")).stats_reset_at == at
    with pytest.raises(SlotNotFound):
        await shipped.slots.reset_stats("slot-099", at=at, audit=entry())
    assert len((await shipped.audit.find(limit=9)).items) == 1
