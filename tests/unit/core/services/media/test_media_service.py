"""Files with public links: the clock decides what is given out, whatever still lies in the store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
from photochanger.core.domain.errors import (
    ImageTooLarge,
    MediaExpired,
    MediaNotFound,
    PayloadTooLarge,
    PhotoChangerError,
    QueueUnavailable,
    UndecodableImage,
    UnsupportedMediaType,
    UploadInterrupted,
)
from photochanger.core.domain.media import MediaKind
from photochanger.core.domain.results.files import preview_key
from photochanger.core.domain.settings import AppSettings

from tests.support.world import SECOND, SLOT, World, chunks, picture

pytestmark = pytest.mark.anyio

MILLISECOND = timedelta(milliseconds=1)


async def done_job(world: World):  # type: ignore[no-untyped-def]
    await world.slot()
    await world.submit()
    return await world.work(within=timedelta(0))


# Media objects


async def test_a_registered_file_is_served_under_its_link() -> None:
    world = World()
    media = await world.media.register(chunks(picture()), mime="image/png", max_bytes=1000)
    assert (media.created_at, media.job_id, media.file.key.name) == (world.clock.now(), None, f"{media.id}.png")
    public = await world.media.public_media(media.id)
    assert (public.file, public.mime, public.expires_at) == (media.file, "image/png", media.expires_at)
    assert public.download_name == f"{media.id}.png"
    assert await world.content(public.file.key) == picture()


async def test_a_link_ends_with_its_time_to_live_or_with_its_job_whichever_is_sooner() -> None:
    world = World()
    await world.slot()
    free = await world.media.register(chunks(picture()), mime="image/jpeg", max_bytes=1000)
    assert free.expires_at == world.clock.now() + 48 * SECOND
    job = await world.submit()
    await world.clock.advance(10 * SECOND)
    bound = await world.media.register(chunks(picture()), mime="image/jpeg", max_bytes=1000, job=job)
    assert (bound.expires_at, bound.job_id) == (job.expires_at, job.id)
    await world.set_settings(sync_response=timedelta(seconds=10))
    await world.clock.advance(2 * SECOND)
    short = await world.media.register(chunks(picture()), mime="image/jpeg", max_bytes=1000, job=job)
    assert short.expires_at == world.clock.now() + 10 * SECOND


async def test_an_expired_link_is_gone_although_the_file_still_exists() -> None:
    world = World()
    media = await world.media.register(chunks(picture()), mime="image/jpeg", max_bytes=1000)
    await world.clock.advance(48 * SECOND - MILLISECOND)
    await world.media.public_media(media.id)
    await world.clock.advance(MILLISECOND)
    with pytest.raises(MediaExpired):
        await world.media.public_media(media.id)
    assert await world.files() == [str(media.file.key)]
    await world.sweeper.sweep_expired()
    with pytest.raises(MediaExpired):
        await world.media.public_media(media.id)


async def test_an_unknown_link_is_not_found() -> None:
    world = World()
    for call in (world.media.public_media, world.media.public_result, world.media.public_thumbnail):
        with pytest.raises(MediaNotFound):
            await call(uuid4())


async def test_a_file_that_cannot_be_registered_is_not_kept() -> None:
    world = World()

    async def interrupted() -> AsyncIterator[bytes]:
        yield picture()
        raise UploadInterrupted("The client stopped sending.")

    with pytest.raises(PayloadTooLarge):
        await world.media.register(chunks(picture()), mime="image/jpeg", max_bytes=len(picture()) - 1)
    with pytest.raises(UploadInterrupted):
        await world.media.register(interrupted(), mime="image/jpeg", max_bytes=1000)
    with pytest.raises(UnsupportedMediaType):
        await world.media.register(chunks(picture()), mime="text/html", max_bytes=1000)
    world.media_records.faults["add"] = QueueUnavailable("away")
    with pytest.raises(QueueUnavailable):
        await world.media.register(chunks(picture()), mime="image/jpeg", max_bytes=1000)
    assert await world.files() == []


async def test_an_uploaded_picture_gets_a_link_whatever_it_is_called() -> None:
    world = World()
    data = picture(type="PNG")
    media = await world.media.register_upload(chunks(data))
    assert (media.mime, media.job_id) == ("image/png", None)
    public = await world.media.public_media(media.id)
    assert (public.mime, public.download_name) == ("image/png", f"{media.id}.png")
    assert await world.content(public.file.key) == data
    assert await world.files() == [f"media/{media.id}"]


async def test_a_slow_upload_does_not_shorten_the_life_of_its_link() -> None:
    world = World()

    async def slow() -> AsyncIterator[bytes]:
        yield picture()[:40]
        await world.clock.sleep(100 * SECOND)
        yield picture()[40:]

    media = await world.run(world.media.register_upload(slow()), within=100 * SECOND)
    assert media.created_at == world.clock.now()
    assert media.expires_at == world.clock.now() + 48 * SECOND


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", UndecodableImage),
        (b"<html>" * 20, UnsupportedMediaType),
        (b"JPEG of no size at all, but with quite some bytes", UndecodableImage),
        (picture(width=6001), ImageTooLarge),
        (picture("x" * 2000), PayloadTooLarge),
    ],
)
async def test_only_a_picture_within_bounds_becomes_a_media_object(data: bytes, error: type[PhotoChangerError]) -> None:
    world = World(settings=AppSettings(max_upload_bytes=1000, max_image_pixels=6000 * 4000))
    with pytest.raises(error):
        await world.media.register_upload(chunks(data))
    assert await world.files() == []


async def test_an_upload_without_its_metadata_is_not_kept() -> None:
    world = World()
    world.media_records.faults["add"] = QueueUnavailable("away")
    with pytest.raises(QueueUnavailable):
        await world.media.register_upload(chunks(picture()))
    assert await world.files() == []


async def test_a_removed_media_object_has_expired() -> None:
    world = World()
    media, other = [await world.media.register_upload(chunks(picture())) for _ in range(2)]
    await world.media.remove(media.id)
    with pytest.raises(MediaExpired):
        await world.media.public_media(media.id)
    assert await world.files() == [str(other.file.key)]
    await world.media.remove(uuid4())


async def test_dropping_a_jobs_files_ends_their_links_and_no_others() -> None:
    world = World()
    await world.slot()
    job, other = await world.submit(), await world.submit(picture("other"))
    mine = [await world.media.register(chunks(picture()), mime="image/jpeg", max_bytes=99, job=job) for _ in range(2)]
    theirs = await world.media.register(chunks(picture()), mime="image/jpeg", max_bytes=99, job=other)
    await world.media.drop(job.id)
    for media in mine:
        with pytest.raises(MediaExpired):
            await world.media.public_media(media.id)
    await world.media.public_media(theirs.id)
    assert await world.files(MediaKind.MEDIA) == [str(theirs.file.key)]


# Results


async def test_a_result_is_served_until_it_expires() -> None:
    world = World(settings=AppSettings(result_retention=timedelta(hours=1)))
    job = await done_job(world)
    public = await world.media.public_result(job.id)
    assert (public.file, public.mime, public.expires_at) == (job.result.file, "image/jpeg", job.result.expires_at)
    assert public.download_name == f"{SLOT}-{job.id}.jpg"
    await world.clock.advance(job.result.expires_at - world.clock.now() - MILLISECOND)
    await world.media.public_result(job.id)
    await world.clock.advance(MILLISECOND)
    for call in (world.media.public_result, world.media.public_thumbnail):
        with pytest.raises(MediaExpired):
            await call(job.id)
    assert str(job.result.file.key) in await world.files()


async def test_a_result_that_was_purged_has_expired() -> None:
    world = World()
    job = await done_job(world)
    await world.guests.forget([job.id], now=world.clock.now())
    with pytest.raises(MediaExpired):
        await world.media.public_result(job.id)


async def test_a_job_without_a_picture_has_no_result() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    for call in (world.media.public_result, world.media.public_thumbnail):
        with pytest.raises(MediaNotFound):
            await call(job.id)


# Thumbnails


async def test_an_existing_thumbnail_is_not_made_again() -> None:
    world = World()
    job = await done_job(world)
    puts = world.store.calls.count("put")
    public = await world.media.public_thumbnail(job.id)
    assert world.store.calls.count("put") == puts
    assert public.file.key == preview_key(job.result.file.key)
    assert public.file.size_bytes == len(await world.content(public.file.key))
    assert (public.mime, public.download_name) == ("image/webp", f"{SLOT}-{job.id}-thumbnail.webp")
    assert public.expires_at == job.result.expires_at


async def test_a_missing_thumbnail_is_made_on_demand() -> None:
    world = World()
    job = await done_job(world)
    before = await world.media.public_thumbnail(job.id)
    await world.store.delete(preview_key(job.result.file.key))
    again = await world.media.public_thumbnail(job.id)
    assert again == before
    small = await world.images.preview(await world.content(job.result.file.key))
    assert await world.content(again.file.key) == small


async def test_a_thumbnails_checksum_is_not_the_results() -> None:
    world = World()
    job = await done_job(world)
    assert (await world.media.public_thumbnail(job.id)).file.sha256 != job.result.file.sha256
