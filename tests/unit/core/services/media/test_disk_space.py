"""The floor under the free space: photos are refused below it, before a byte is kept; what is under way goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from photochanger.core.domain.accounts import COMMAND_LINE
from photochanger.core.domain.errors import StorageUnavailable
from photochanger.core.domain.job import JobState
from photochanger.core.services.media.disk_space import DiskSpace

from tests.support.world import FLOOR, SECOND, SLOT, World, chunks, picture

pytestmark = pytest.mark.anyio


async def unread() -> AsyncIterator[bytes]:
    """A photo that must not be read."""
    raise AssertionError("the photo was read")
    yield b""


async def world_with(room_bytes: int | None) -> World:
    world = World()
    world.store.inner.room_bytes = room_bytes
    await world.slot()
    return world


async def test_below_the_minimum_no_photo_is_accepted_or_read() -> None:
    world = await world_with(FLOOR - 1)
    with pytest.raises(StorageUnavailable, match="nearly full"):
        await world.jobs.admit(SLOT)
    slot = await world.slots.get(SLOT)
    with pytest.raises(StorageUnavailable):
        await world.jobs.receive_photo(slot, unread())
    with pytest.raises(StorageUnavailable):
        await world.media.register_upload(unread())
    assert await world.files() == []


@pytest.mark.parametrize("room_bytes", [FLOOR, None], ids=["at the floor", "unknown"])
async def test_with_enough_or_unknown_space_photos_are_accepted(room_bytes: int | None) -> None:
    world = await world_with(room_bytes)
    await world.submit()
    assert (await world.work()).state is JobState.SUCCEEDED


async def test_an_accepted_job_gets_its_picture_although_the_disk_fills_up() -> None:
    world = await world_with(FLOOR)
    await world.submit()
    world.store.inner.room_bytes = 0
    assert (await world.work()).state is JobState.SUCCEEDED


async def test_free_space_is_read_once_a_second_at_most() -> None:
    world = await world_with(FLOOR - 1)
    for _ in range(5):
        with pytest.raises(StorageUnavailable):
            await world.jobs.admit(SLOT)
    assert world.store.calls.count("free_bytes") == 1
    world.store.inner.room_bytes = FLOOR
    await world.clock.advance(SECOND)
    assert (await world.jobs.admit(SLOT)).id == SLOT


async def test_a_minimum_of_zero_refuses_nothing() -> None:
    world = await world_with(0)
    space = DiskSpace(world.store, world.clock, floor_bytes=0)
    await space.require()
    assert (await space.room()).enough


async def test_templates_are_refused_as_well() -> None:
    world = await world_with(FLOOR - 1)
    with pytest.raises(StorageUnavailable):
        await world.templates.add(chunks(picture()), name="Frame", by=COMMAND_LINE)
