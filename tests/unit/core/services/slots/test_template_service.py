"""Template pictures: proven when they come in, kept with their bindings or not at all, and removed with their files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from photochanger.core.domain.accounts import Actor
from photochanger.core.domain.audit import AuditAction
from photochanger.core.domain.errors import (
    BindingTaken,
    ImageTooLarge,
    InvalidSettings,
    PayloadTooLarge,
    PhotoChangerError,
    QueueUnavailable,
    SlotNotFound,
    StorageUnavailable,
    TemplateInUse,
    TemplateNotFound,
    UndecodableImage,
    UnsupportedMediaType,
    UploadInterrupted,
)
from photochanger.core.domain.media import MediaKey, MediaKind, TemplateMedia
from photochanger.core.domain.settings import AppSettings

from tests.support.world import SLOT, TORN, World, chunks, picture

pytestmark = pytest.mark.anyio

ADA = Actor("ada", "192.0.2.1")
NOBODY = UUID("01980000-0000-7000-8000-000000000000")


async def framed_world(**settings: Any) -> World:
    """A world whose slot takes a template as `frame`."""
    world = World(settings=AppSettings(**settings))
    await world.slot("local/frame")
    return world


async def add(world: World, data: bytes | None = None, **options: Any) -> TemplateMedia:
    return await world.templates.add(
        chunks(picture() if data is None else data), **{"name": "Gold", "by": ADA} | options
    )


async def bind(world: World, how: str = "add_bound", **options: Any) -> TemplateMedia:
    place = {"name": "Gold", "slot_id": SLOT, "setting_key": "frame", "by": ADA} | options
    made: TemplateMedia = await getattr(world.templates, how)(chunks(picture()), **place)
    return made


async def bindings(world: World) -> list[tuple[str, str]]:
    slot = await world.slots.get(SLOT)
    return [(binding.setting_key, binding.media_id) for binding in slot.route.templates]


# Adding


async def test_a_template_is_stored_unchanged_with_a_thumbnail() -> None:
    world = await framed_world()
    data = picture("gold", type="PNG", width=300, height=200)
    template = await add(world, data)
    assert template == await world.templates.get(template.id)
    assert (template.mime, template.width, template.height, template.name) == ("image/png", 300, 200, "Gold")
    assert (template.created_at, template.created_by) == (world.clock.now(), "ada")
    assert template.file.key == MediaKey(MediaKind.TEMPLATES, str(template.id))
    assert await world.content(template.file.key) == data
    small = await world.templates.thumbnail(template.id)
    assert small.key.name == f"{template.id}.webp"
    assert await world.content(small.key) == await world.images.preview(data)
    assert small.size_bytes == len(await world.content(small.key))
    assert small.sha256 != template.file.sha256
    (told,) = world.audit.entries
    assert (told.action, told.actor, told.target) == (AuditAction.TEMPLATE_ADDED, "ada", str(template.id))
    assert told.detail == {"name": "Gold"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [("", "Template"), (" \u200d\n", "Template"), ("a\nb\0c", "abc"), ("x" * 500, "x" * 120), ("  Gold ", "Gold")],
)
async def test_a_name_that_cannot_be_one_is_made_one(given: str, kept: str) -> None:
    assert (await add(await framed_world(), name=given)).name == kept


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", UndecodableImage),
        (b"<html>" * 20, UnsupportedMediaType),
        (b"JPEG of no size at all, but with quite some bytes", UndecodableImage),
        (TORN, UndecodableImage),
        (picture(width=10**5, height=10**5), ImageTooLarge),
        (picture("x" * 2000), PayloadTooLarge),
    ],
)
async def test_what_is_no_picture_is_refused_and_nothing_stays(data: bytes, error: type[PhotoChangerError]) -> None:
    world = await framed_world(max_upload_bytes=1000)
    with pytest.raises(error):
        await add(world, data)
    assert await world.files() == []
    assert await world.templates.list() == []
    assert world.audit.entries == []


async def test_nothing_stays_of_an_upload_that_stops_half_way() -> None:
    world = await framed_world()

    async def interrupted() -> AsyncIterator[bytes]:
        yield picture()
        raise UploadInterrupted("The client stopped sending.")

    with pytest.raises(UploadInterrupted):
        await world.templates.add(interrupted(), name="Gold", by=ADA)
    assert await world.files() == []


async def test_nothing_stays_of_a_picture_whose_thumbnail_cannot_be_stored() -> None:
    world = await framed_world()
    put = world.store.inner.put

    async def full(kind: MediaKind, name: str, data: AsyncIterator[bytes], **how: Any) -> Any:
        if name.endswith(".webp"):
            raise StorageUnavailable("full")
        return await put(kind, name, data, **how)

    world.store.inner.put = full
    with pytest.raises(StorageUnavailable):
        await add(world)
    assert await world.files() == []


async def test_files_whose_place_in_the_books_is_unknown_are_left_to_the_sweeper() -> None:
    world = await framed_world()
    world.template_records.faults["add"] = QueueUnavailable("away")
    with pytest.raises(QueueUnavailable):
        await add(world)
    assert len(await world.files(MediaKind.TEMPLATES)) == 2


# Binding


async def test_a_template_is_bound_as_it_is_added() -> None:
    world = await framed_world()
    template = await bind(world)
    assert await bindings(world) == [("frame", str(template.id))]
    assert (await world.slots.get(SLOT)).version == 2
    (told,) = world.audit.entries
    assert told.detail == {"name": "Gold", "slot_id": SLOT, "setting_key": "frame"}


@pytest.mark.parametrize("how", ["add_bound", "add_replacing"])
async def test_what_cannot_be_bound_is_not_kept(how: str) -> None:
    world = await framed_world()
    for place, error in (
        ({"slot_id": "slot-099"}, SlotNotFound),
        ({"slot_id": "slot-001\0"}, SlotNotFound),
        ({"setting_key": "hat"}, InvalidSettings),
        ({"setting_key": ""}, InvalidSettings),
    ):
        with pytest.raises(error) as refused:
            await bind(world, how, **place)
        if isinstance(refused.value, InvalidSettings):
            assert [error.field for error in refused.value.errors] == ["setting_key"]
    assert "put" not in world.store.calls  # told before the picture was taken in
    assert (await bindings(world), await world.templates.list()) == ([], [])


async def test_a_place_that_is_taken_stays_taken_unless_it_is_to_be_replaced() -> None:
    world = await framed_world()
    first = await bind(world)
    puts = world.store.calls.count("put")
    with pytest.raises(BindingTaken):
        await bind(world)
    assert world.store.calls.count("put") == puts  # told before the picture is taken in
    second = await bind(world, "add_replacing")
    assert await bindings(world) == [("frame", str(second.id))]
    kept = {template.id: bound for template, bound in await world.templates.list()}
    assert kept == {first.id: (), second.id: ((SLOT, "frame"),)}


async def test_nothing_stays_where_the_place_is_taken_while_the_picture_arrives() -> None:
    world = await framed_world()
    first: list[TemplateMedia] = []

    async def slow() -> AsyncIterator[bytes]:
        first.append(await bind(world))
        yield picture("late")

    with pytest.raises(BindingTaken):
        await world.templates.add_bound(slow(), name="Late", slot_id=SLOT, setting_key="frame", by=ADA)
    assert await bindings(world) == [("frame", str(first[0].id))]
    assert await world.files() == [f"templates/{first[0].id}", f"templates/{first[0].id}.webp"]


async def test_templates_are_listed_newest_first_and_by_what_they_are_bound_to() -> None:
    world = await framed_world()
    await world.slot("local/frame", id="slot-002")
    free = await add(world)
    mine = await bind(world)
    other = await bind(world, slot_id="slot-002")

    async def found(**wanted: str) -> list[UUID]:
        return [template.id for template, _ in await world.templates.list(**wanted)]

    assert await found() == sorted([free.id, mine.id, other.id], reverse=True)
    assert await found(slot_id=SLOT) == [mine.id]
    assert await found(setting_key="frame") == sorted([mine.id, other.id], reverse=True)


# Looking


async def test_a_thumbnail_that_is_gone_is_made_again() -> None:
    world = await framed_world()
    template = await add(world)
    before = await world.templates.thumbnail(template.id)
    puts = world.store.calls.count("put")
    assert await world.templates.thumbnail(template.id) == before
    assert world.store.calls.count("put") == puts
    await world.store.delete(before.key)
    assert await world.templates.thumbnail(template.id) == before
    assert await world.content(before.key) == await world.images.preview(picture())


async def test_a_template_without_its_file_is_not_there() -> None:
    world = await framed_world()
    template = await add(world)
    for name in (str(template.id), f"{template.id}.webp"):
        await world.store.delete(MediaKey(MediaKind.TEMPLATES, name))
    with pytest.raises(TemplateNotFound):
        await world.templates.thumbnail(template.id)


async def test_an_unknown_template_is_not_found() -> None:
    world = await framed_world()
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: world.templates.get(NOBODY),
        lambda: world.templates.thumbnail(NOBODY),
        lambda: world.templates.remove(NOBODY, by=ADA),
        lambda: world.templates.remove_bound(NOBODY, by=ADA),
    ]
    for call in calls:
        with pytest.raises(TemplateNotFound):
            await call()
    assert world.audit.entries == []


# Removing


async def test_an_unused_template_is_removed_with_its_files() -> None:
    world = await framed_world()
    template = await add(world)
    await world.templates.remove(template.id, by=ADA)
    assert await world.files() == []
    with pytest.raises(TemplateNotFound):
        await world.templates.get(template.id)
    told = world.audit.entries[-1]
    assert (told.action, told.target, told.detail) == (
        AuditAction.TEMPLATE_REMOVED,
        str(template.id),
        {"name": "Gold"},
    )


async def test_a_template_in_use_stays_whole_unless_that_use_is_named() -> None:
    world = await framed_world()
    template = await bind(world)
    for except_binding in (None, (SLOT, "hat"), ("slot-002", "frame")):
        with pytest.raises(TemplateInUse) as refused:
            await world.templates.remove(template.id, except_binding=except_binding, by=ADA)
        assert refused.value.slots == (SLOT,)
    assert len(await world.files()) == 2
    assert len(world.audit.entries) == 1
    await world.templates.remove(template.id, except_binding=(SLOT, "frame"), by=ADA)
    assert (await bindings(world), await world.files()) == ([], [])


async def test_a_template_goes_whatever_uses_it_where_that_is_wanted_and_the_log_says_what_did() -> None:
    world = await framed_world()
    template = await bind(world)
    await world.templates.remove_bound(template.id, by=ADA)
    assert (await bindings(world), await world.files()) == ([], [])
    told = world.audit.entries[-1]
    assert (told.action, told.detail) == (
        AuditAction.TEMPLATE_REMOVED,
        {"name": "Gold", "unbound": [[SLOT, "frame"]]},
    )


async def test_files_that_cannot_be_removed_now_are_left_to_the_sweeper(caplog: pytest.LogCaptureFixture) -> None:
    world = await framed_world()
    template = await add(world)
    world.store.faults["delete"] = StorageUnavailable("read-only")
    await world.templates.remove(template.id, by=ADA)
    assert "left to the sweeper" in caplog.text
    with pytest.raises(TemplateNotFound):
        await world.templates.get(template.id)


async def test_an_outage_leaves_a_template_as_it_was() -> None:
    world = await framed_world()
    template = await add(world)
    world.template_records.faults["remove"] = QueueUnavailable("away")
    with pytest.raises(QueueUnavailable):
        await world.templates.remove(template.id, by=ADA)
    assert len(await world.files()) == 2
