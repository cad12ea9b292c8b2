"""The TemplateRepository port: templates and bindings change together, and no binding ever dangles."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID

import msgspec
import pytest
from photochanger.core.domain.accounts import COMMAND_LINE
from photochanger.core.domain.audit import AuditAction, AuditEntry, audit_entry
from photochanger.core.domain.errors import BindingTaken, SlotNotFound, TemplateInUse, TemplateNotFound
from photochanger.core.domain.ids import new_id
from photochanger.core.domain.media import MediaKey, MediaKind, TemplateMedia
from photochanger.core.domain.slots.slot import Slot, TemplateBinding, shipped_slots

from tests.support.builders import new_job, outcome_failed, route, stored_file

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SLOT = "slot-003"


def template(minute: int = 0) -> TemplateMedia:
    """A template added so many minutes past noon."""
    created_at = NOW + timedelta(minutes=minute)
    id = new_id(created_at)
    file = stored_file(MediaKind.TEMPLATES, str(id))
    return TemplateMedia(
        id=id,
        file=file,
        mime="image/png",
        width=300,
        height=200,
        name="Golden",
        created_at=created_at,
        created_by="ada",
    )


def entry() -> AuditEntry:
    """The audit entry of a change."""
    return audit_entry(AuditAction.TEMPLATE_ADDED, COMMAND_LINE, now=NOW)


@pytest.fixture(autouse=True)
async def slots(backend: SimpleNamespace) -> None:
    await backend.slots.add_missing(shipped_slots())


async def bound(backend: SimpleNamespace, slot_id: str = SLOT) -> dict[str, str]:
    """What the slot has bound, by key."""
    slot = await backend.slots.get(slot_id)
    return {binding.setting_key: binding.media_id for binding in slot.route.templates}


def _ids(slot: Slot) -> set[str]:
    """The templates that a slot has bound."""
    return {binding.media_id for binding in slot.route.templates}


def _with(template: TemplateMedia, slot: Slot, setting_key: str = "frame") -> Slot:
    """The slot with this template and no other."""
    route = msgspec.structs.replace(slot.route, templates=(TemplateBinding(setting_key, str(template.id)),))
    return msgspec.structs.replace(slot, route=route)


async def test_a_template_comes_back_as_it_was(backend: SimpleNamespace) -> None:
    golden = template()
    await backend.templates.add(golden, audit=entry())
    assert await backend.templates.get(golden.id) == golden
    assert await backend.templates.get(UUID(int=0)) is None
    assert await backend.templates.find() == [(golden, ())]
    assert len((await backend.audit.find(limit=9)).items) == 1


async def test_adding_and_binding_is_one_step_that_gives_the_slot_a_new_version(backend: SimpleNamespace) -> None:
    before = await backend.slots.get(SLOT)
    golden = template()
    await backend.templates.add_bound(golden, slot_id=SLOT, setting_key="frame", audit=entry())
    after = await backend.slots.get(SLOT)
    assert after.version == before.version + 1
    assert await bound(backend) == {"frame": str(golden.id)}
    assert await backend.templates.find() == [(golden, ((SLOT, "frame"),))]


async def test_a_key_that_is_taken_leaves_everything_as_it_was(backend: SimpleNamespace) -> None:
    first, second = template(), template(1)
    await backend.templates.add_bound(first, slot_id=SLOT, setting_key="frame")
    before = await backend.slots.get(SLOT)
    with pytest.raises(BindingTaken):
        await backend.templates.add_bound(second, slot_id=SLOT, setting_key="frame", audit=entry())
    assert await backend.slots.get(SLOT) == before
    assert await backend.templates.get(second.id) is None
    assert not (await backend.audit.find(limit=9)).items


async def test_a_slot_that_there_is_not_leaves_nothing(backend: SimpleNamespace) -> None:
    for add in (backend.templates.add_bound, backend.templates.add_replacing):
        with pytest.raises(SlotNotFound):
            await add(template(), slot_id="slot-099", setting_key="frame", audit=entry())
    assert await backend.templates.find() == []
    assert not (await backend.audit.find(limit=9)).items


async def test_replacing_keeps_the_old_template(backend: SimpleNamespace) -> None:
    first, second = template(), template(1)
    for one in (first, second):
        await backend.templates.add_replacing(one, slot_id=SLOT, setting_key="frame", audit=entry())
    assert await bound(backend) == {"frame": str(second.id)}
    assert await backend.templates.find() == [(second, ((SLOT, "frame"),)), (first, ())]


async def test_of_concurrent_bindings_of_one_key_one_wins(backend: SimpleNamespace) -> None:
    results = await asyncio.gather(
        *(backend.templates.add_bound(template(n), slot_id=SLOT, setting_key="frame") for n in range(4)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, BindingTaken) for result in results) == 3
    assert len(await backend.templates.find()) == 1


async def test_templates_are_found_by_what_they_are_bound_to(backend: SimpleNamespace) -> None:
    frame, face, loose = template(), template(1), template(2)
    await backend.templates.add_bound(frame, slot_id=SLOT, setting_key="frame")
    await backend.templates.add_bound(face, slot_id="slot-004", setting_key="face")
    await backend.templates.add(loose)
    assert [one.id for one, _ in await backend.templates.find()] == [loose.id, face.id, frame.id]
    assert [one.id for one, _ in await backend.templates.find(slot_id=SLOT)] == [frame.id]
    assert [one.id for one, _ in await backend.templates.find(setting_key="face")] == [face.id]
    assert await backend.templates.find(slot_id=SLOT, setting_key="face") == []


async def test_one_that_is_bound_is_not_removed_but_with_its_only_binding(backend: SimpleNamespace) -> None:
    golden = template()
    await backend.templates.add_bound(golden, slot_id=SLOT, setting_key="frame")
    with pytest.raises(TemplateInUse) as caught:
        await backend.templates.remove(golden.id, audit=entry())
    assert caught.value.slots == (SLOT,)
    with pytest.raises(TemplateInUse):
        await backend.templates.remove(golden.id, except_binding=(SLOT, "face"))
    before = await backend.slots.get(SLOT)
    assert await backend.templates.remove(golden.id, except_binding=(SLOT, "frame"), audit=entry()) == golden
    assert await bound(backend) == {}
    assert (await backend.slots.get(SLOT)).version == before.version + 1
    assert len((await backend.audit.find(limit=9)).items) == 1


async def test_one_that_a_live_job_began_with_is_not_removed_before_the_job_has_ended(backend: SimpleNamespace) -> None:
    golden, other = template(), template(1)
    await backend.templates.add(golden)
    await backend.templates.add(other)
    with_golden = msgspec.structs.replace(route(), templates=(TemplateBinding("frame", str(golden.id)),))
    job = await backend.queue.enqueue(new_job(slot_id="slot-004", route=with_golden), max_active=9)
    await backend.queue.enqueue(new_job(), max_active=9)
    with pytest.raises(TemplateInUse) as caught:
        await backend.templates.remove(golden.id, audit=entry())
    assert caught.value.slots == ("slot-004",)
    assert await backend.templates.get(golden.id) == golden
    assert await backend.templates.remove(other.id) == other
    await backend.queue.mark_finalized(job.id, outcome_failed(job), claim=None)
    assert await backend.templates.remove(golden.id, audit=entry()) == golden
    assert len((await backend.audit.find(limit=9)).items) == 1


async def test_force_removes_also_what_a_live_job_began_with(backend: SimpleNamespace) -> None:
    golden = template()
    await backend.templates.add(golden)
    with_golden = msgspec.structs.replace(route(), templates=(TemplateBinding("frame", str(golden.id)),))
    await backend.queue.enqueue(new_job(route=with_golden), max_active=9)
    assert await backend.templates.remove_bound(golden.id) == golden


async def test_one_that_is_bound_is_removed_by_force_with_all_its_bindings(backend: SimpleNamespace) -> None:
    golden, other = template(), template(1)
    await backend.templates.add_bound(golden, slot_id=SLOT, setting_key="frame")
    await backend.templates.add_bound(other, slot_id=SLOT, setting_key="face")
    slot = await backend.slots.get("slot-004")
    route = msgspec.structs.replace(slot.route, templates=(TemplateBinding("frame", str(golden.id)),))
    await backend.slots.save(msgspec.structs.replace(slot, route=route), expected_version=slot.version)
    assert await backend.templates.remove_bound(golden.id) == golden
    assert await bound(backend) == {"face": str(other.id)}
    assert await bound(backend, "slot-004") == {}
    assert await backend.templates.get(golden.id) is None
    for remove in (backend.templates.remove, backend.templates.remove_bound):
        with pytest.raises(TemplateNotFound):
            await remove(golden.id, audit=entry())


async def test_concurrent_binding_and_removing_leave_no_dangling_binding(backend: SimpleNamespace) -> None:
    for minute in range(5):
        golden = template(minute)
        await backend.templates.add(golden)
        slot = await backend.slots.get(SLOT)
        route = msgspec.structs.replace(slot.route, templates=(TemplateBinding("frame", str(golden.id)),))
        await asyncio.gather(
            backend.slots.save(msgspec.structs.replace(slot, route=route), expected_version=slot.version),
            backend.templates.remove(golden.id),
            return_exceptions=True,
        )
        known = await backend.templates.get(golden.id)
        assert (await bound(backend)).get("frame") == (str(golden.id) if known else None)
        if known:
            await backend.templates.remove_bound(golden.id)


@pytest.mark.parametrize("forced", [False, True])
async def test_slots_that_bind_during_a_removal_either_have_the_template_or_fail(
    backend: SimpleNamespace, forced: bool
) -> None:
    remove = backend.templates.remove_bound if forced else backend.templates.remove
    for minute in range(4):
        golden = template(minute)
        await backend.templates.add(golden)
        slots = [slot for slot in await backend.slots.all() if slot.id != "slot-015"]
        if forced:
            slots = [await backend.slots.save(_with(golden, slot), expected_version=slot.version) for slot in slots]
        changes = [backend.slots.save(_with(golden, slot, "face"), expected_version=slot.version) for slot in slots]
        late = backend.templates.add_bound(template(minute + 20), slot_id="slot-015", setting_key=f"face-{minute}")
        *saved, removed, added = await asyncio.gather(*changes, remove(golden.id), late, return_exceptions=True)
        assert added is None
        bound_now = {slot.id for slot in await backend.slots.all() if str(golden.id) in _ids(slot)}
        if await backend.templates.get(golden.id) is None:
            assert removed == golden
            assert bound_now == set()
            assert all(end is None or isinstance(end, Slot | TemplateNotFound) for end in saved)
        else:
            assert isinstance(removed, TemplateInUse)
            assert bound_now == {slot.id for slot in slots}
            await backend.templates.remove_bound(golden.id)


async def test_each_slot_that_lost_a_template_by_force_has_one_new_version(backend: SimpleNamespace) -> None:
    golden = template()
    await backend.templates.add_bound(golden, slot_id=SLOT, setting_key="frame")
    slot = await backend.slots.get(SLOT)
    twice = (TemplateBinding("frame", str(golden.id)), TemplateBinding("face", str(golden.id)))
    route = msgspec.structs.replace(slot.route, templates=twice)
    before = await backend.slots.save(msgspec.structs.replace(slot, route=route), expected_version=slot.version)
    untouched = await backend.slots.get("slot-001")
    await backend.templates.remove_bound(golden.id)
    after = await backend.slots.get(SLOT)
    assert after.version == before.version + 1
    assert after.updated_at >= before.updated_at
    assert await backend.slots.get("slot-001") == untouched


async def test_files_of_templates_and_their_thumbnails_are_in_use(backend: SimpleNamespace) -> None:
    golden = template()
    await backend.templates.add(golden)
    thumbnail = MediaKey(MediaKind.TEMPLATES, f"{golden.id}.webp")
    orphan = MediaKey(MediaKind.TEMPLATES, str(UUID(int=7)))
    strange = MediaKey(MediaKind.TEMPLATES, "strange")
    elsewhere = MediaKey(MediaKind.MEDIA, str(golden.id))
    keys = [golden.file.key, thumbnail, orphan, strange, elsewhere]
    assert await backend.templates.in_use(keys) == {golden.file.key, thumbnail}
