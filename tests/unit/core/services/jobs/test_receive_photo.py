"""A photo comes in: it is kept as it came, or refused and nothing of it is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from photochanger.core.domain.errors import (
    ImageTooLarge,
    PayloadTooLarge,
    StorageUnavailable,
    UndecodableImage,
    UnsupportedMediaType,
    UploadInterrupted,
)
from photochanger.core.domain.settings import AppSettings

from tests.support.world import World, chunks, picture

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("size", [1, 7, 31, 32, 33, 1000])
async def test_a_photo_is_stored_unchanged_whatever_its_chunks(size: int) -> None:
    world = World()
    slot = await world.slot()
    photo = await world.jobs.receive_photo(slot, chunks(picture("ada"), size=size))
    assert await world.content(photo.file.key) == picture("ada")
    assert photo.facts.mime == "image/jpeg"
    (head,) = world.images.sniffed
    assert len(head) >= 32


async def test_a_photo_shorter_than_the_sniffed_bytes_is_still_inspected() -> None:
    world = World()
    slot = await world.slot()
    tiny = b"PNG 1x1 a"
    photo = await world.jobs.receive_photo(slot, chunks(tiny, size=1))
    assert await world.content(photo.file.key) == tiny
    with pytest.raises(UnsupportedMediaType):
        await world.jobs.receive_photo(slot, chunks(b"GIF 1x1 a", size=1))


async def test_what_is_no_picture_is_refused_at_its_first_bytes() -> None:
    world = World()
    slot = await world.slot()
    read = 0

    async def film() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(1000):
            read += 1
            yield b"MPEG....."

    with pytest.raises(UnsupportedMediaType):
        await world.jobs.receive_photo(slot, film())
    assert read == 4
    assert await world.files() == []


async def test_a_photo_that_announces_too_many_pixels_is_refused_while_it_arrives() -> None:
    world = World()
    slot = await world.slot()
    read = 0

    async def huge() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield b"JPEG 999999x999999 " + bytes(70_000)
            await asyncio.sleep(0)

    with pytest.raises(ImageTooLarge):
        await world.jobs.receive_photo(slot, huge())
    assert read < 10
    assert await world.files() == []


async def test_a_large_photo_is_stored_while_its_header_is_read() -> None:
    world = World()
    slot = await world.slot()
    large = picture("ada" * 50_000)
    photo = await world.jobs.receive_photo(slot, chunks(large, size=20_000))
    assert (photo.facts.width, photo.facts.height) == (6000, 4000)
    assert await world.content(photo.file.key) == large


async def test_an_empty_photo_is_not_kept() -> None:
    world = World()
    slot = await world.slot()
    with pytest.raises(UndecodableImage, match="0 bytes"):
        await world.jobs.receive_photo(slot, chunks(b""))
    assert await world.files() == []


async def test_a_photo_may_have_as_many_bytes_as_the_smaller_bound_says() -> None:
    size = len(picture())
    for service, slots_own, accepted in (
        (size, None, True),
        (size - 1, None, False),
        (size + 9, size, True),
        (size + 9, size - 1, False),
        (size - 1, size + 9, False),
    ):
        world = World(settings=AppSettings(max_upload_bytes=service))
        slot = await world.slot(max_upload_bytes=slots_own)
        if accepted:
            await world.jobs.receive_photo(slot, chunks(picture()))
        else:
            with pytest.raises(PayloadTooLarge):
                await world.jobs.receive_photo(slot, chunks(picture()))
        assert len(await world.files()) == accepted


async def test_a_photo_may_have_as_many_pixels_as_the_settings_say() -> None:
    world = World(settings=AppSettings(max_image_pixels=6000 * 4000))
    slot = await world.slot()
    await world.jobs.receive_photo(slot, chunks(picture()))
    with pytest.raises(ImageTooLarge):
        await world.jobs.receive_photo(slot, chunks(picture(width=6001)))
    assert len(await world.files()) == 1


async def test_a_photo_with_a_broken_header_is_not_kept() -> None:
    world = World()
    slot = await world.slot()
    with pytest.raises(UndecodableImage):
        await world.jobs.receive_photo(slot, chunks(b"JPEG of no size at all, but with quite some bytes"))
    assert await world.files() == []


async def test_an_interrupted_upload_is_not_kept() -> None:
    world = World()
    slot = await world.slot()

    async def interrupted() -> AsyncIterator[bytes]:
        yield picture()
        raise UploadInterrupted("The client stopped sending.")

    with pytest.raises(UploadInterrupted):
        await world.jobs.receive_photo(slot, interrupted())
    assert await world.files() == []


async def test_an_upload_whose_reader_is_cancelled_is_not_kept() -> None:
    world = World()
    slot = await world.slot()

    async def hanging() -> AsyncIterator[bytes]:
        yield picture()
        await asyncio.get_running_loop().create_future()

    receiving = await world.start(world.jobs.receive_photo(slot, hanging()))
    receiving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await world.end(receiving)
    assert await world.files() == []


async def test_a_store_that_cannot_be_written_raises_storage_unavailable() -> None:
    world = World()
    await world.slot()
    world.store.faults["put"] = StorageUnavailable("full")
    with pytest.raises(StorageUnavailable):
        await world.submit()
