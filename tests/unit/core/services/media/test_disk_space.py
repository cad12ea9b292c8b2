"""The floor under the free space: photos are refused below it, before a byte is kept; what is under way goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from photochanger.core.domain.accounts import COMMAND_LINE
from photochanger.core.domain.errors import StorageUnavailable
from photochanger.core.domain.job import JobState
from photochanger.core.services.media.disk_space import DiskSpace, MinFreeBytes

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
        await world.run(world.jobs.admit(SLOT), within=5 * SECOND)
    slot = await world.slots.get(SLOT)
    with pytest.raises(StorageUnavailable):
        await world.run(world.jobs.receive_photo(slot, unread()), within=5 * SECOND)
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
            await world.space.require()
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


async def test_uploads_under_way_cannot_pass_the_minimum_together() -> None:
    world = await world_with(FLOOR + 1000)
    async with world.space.reserve(600) as first:
        with pytest.raises(StorageUnavailable, match="reserved for uploads"):
            async with world.space.reserve(401):
                raise AssertionError("there is no room for it")
        async with world.space.reserve(400):
            await first.take(600)
        async with world.space.reserve(400):
            pass


async def test_reservation_is_given_back_with_the_upload() -> None:
    world = await world_with(FLOOR + 1000)

    async def interrupted() -> None:
        async with world.space.reserve(1000) as room:
            await room.take(500)
            raise InterruptedError

    for _ in range(3):
        with pytest.raises(InterruptedError):
            await interrupted()


async def test_kept_bytes_are_counted_until_the_free_space_has_been_read() -> None:
    world = await world_with(FLOOR + 1000)
    async with world.space.reserve(900) as room:
        await room.take(700)
    assert await world.space.spare_bytes() == 300
    world.store.inner.room_bytes = FLOOR + 300
    await world.clock.advance(SECOND)
    assert await world.space.spare_bytes() == 300


async def test_bytes_on_the_disk_are_not_counted_twice() -> None:
    world = await world_with(FLOOR + 1000)
    async with world.space.reserve(900) as room:
        await room.take(700)
        world.store.inner.room_bytes = FLOOR + 300
        await world.clock.advance(SECOND)
        assert await world.space.spare_bytes() == 100


async def test_upload_without_a_size_reserves_as_it_grows() -> None:
    mib = 1024 * 1024
    world = await world_with(FLOOR + 3 * mib)
    async with world.space.reserve(0) as growing:
        await growing.take(1)
        assert await world.space.spare_bytes() == 2 * mib - 1
        async with world.space.reserve(mib):
            with pytest.raises(StorageUnavailable):
                await growing.take(2 * mib)
        await growing.take(2 * mib - 1)


@pytest.mark.parametrize(("room_bytes", "floor"), [(None, FLOOR), (0, 0)], ids=["unknown", "no minimum"])
async def test_nothing_is_refused_without_a_bound(room_bytes: int | None, floor: int) -> None:
    world = await world_with(room_bytes)
    space = DiskSpace(world.store, world.clock, floor_bytes=MinFreeBytes(floor))
    async with space.reserve(1024**4) as room:
        await room.take(1024**5)
    assert await space.spare_bytes() is None
