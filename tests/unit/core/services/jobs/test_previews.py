"""Previews after a rush: bounded, newest first, one at a time while the worker is idle, the rest on demand; from the
pictures that were decoded anyway. While too many wait, none is made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from photochanger.adapters.memory import FakeClock
from photochanger.core.domain.errors import MediaNotFound, StorageUnavailable
from photochanger.core.domain.job import Job
from photochanger.core.domain.media import MediaKind
from photochanger.core.services.jobs.previews import MAX_WAITING, Previews

from tests.support.builders import new_job
from tests.support.text_images import MadePreview
from tests.support.world import SECOND, World

pytestmark = pytest.mark.anyio

IDLE = timedelta(milliseconds=250)
Making = Callable[[Job], Awaitable[None]]


class RecordingMedia:
    """The two methods of MediaService that store previews; `making` is called for each."""

    def __init__(self) -> None:
        self.thumbnails: list[UUID] = []
        self.previews: list[bytes | None] = []
        self.photos: list[UUID] = []
        self.making: Making | None = None

    async def make_thumbnail(self, job: Job, preview: bytes | None = None) -> None:
        if self.making is not None:
            await self.making(job)
        self.thumbnails.append(job.id)
        self.previews.append(preview)

    async def keep_photo(self, job: Job, preview: bytes) -> None:
        if self.making is not None:
            await self.making(job)
        self.photos.append(job.id)
        self.previews.append(preview)


class Rush:
    """Jobs that end one after the other, and their previews."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.media = RecordingMedia()
        self.previews = Previews(self.media, self.clock)  # type: ignore[arg-type]
        self.jobs: list[Any] = []

    def end_job(self, preview: bytes | None = None, *, photo: bytes | None = None) -> Any:
        job = new_job(created_at=self.clock.now())
        self.jobs.append(job)
        self.previews.note_activity()
        made = [None if small is None else MadePreview(small) for small in (preview, photo)]
        self.previews.add(job, made[0], photo_preview=made[1])
        return job.id

    async def end_jobs(self, count: int, *, every: timedelta) -> None:
        for _ in range(count):
            self.end_job()
            await self.clock.advance(every)


def preview_tasks() -> int:
    return len([task for task in asyncio.all_tasks() if task.get_name() == "previews"])


async def test_what_a_rush_left_behind_is_made_one_by_one_in_the_lulls_between_guests() -> None:
    world = World()
    await world.slot()
    lull = timedelta(milliseconds=250)
    for _ in range(3):
        await world.submit()
        await world.end(await world.start_work())
    for made in range(1, 4):
        await world.clock.advance(lull)
        assert len(await world.files(MediaKind.PREVIEWS)) == made
    await world.clock.advance(lull - timedelta(milliseconds=1))
    await world.submit()
    await world.end(await world.start_work())  # another guest: previews are put off
    await world.clock.advance(lull - timedelta(milliseconds=1))
    assert len(await world.files(MediaKind.PREVIEWS)) == 3
    await world.clock.advance(timedelta(milliseconds=1))
    assert len(await world.files(MediaKind.PREVIEWS)) == 4


async def test_a_preview_waits_for_a_lull_for_a_second_at_most() -> None:
    world = World()
    await world.slot()
    for _ in range(8):
        assert await world.files(MediaKind.PREVIEWS) == []
        await world.submit()
        await world.end(await world.start_work())
        await world.clock.advance(timedelta(milliseconds=125))
    assert len(await world.files(MediaKind.PREVIEWS)) == 1


async def test_a_rush_leaves_one_task_and_a_bounded_number_of_previews() -> None:
    rush = Rush()
    for _ in range(300):
        rush.end_job(b"small", photo=b"small photo")
        await rush.clock.advance(timedelta(milliseconds=25))
        assert preview_tasks() == 1
        assert rush.previews.waiting <= MAX_WAITING
    assert rush.previews.waiting == MAX_WAITING
    await rush.previews.close()


async def test_the_newest_previews_of_a_rush_are_made_and_the_older_ones_left() -> None:
    rush = Rush()
    await rush.end_jobs(300, every=timedelta(0))
    await rush.clock.advance(timedelta(minutes=1))
    assert rush.media.thumbnails == [job.id for job in reversed(rush.jobs[-MAX_WAITING:])]
    assert (rush.previews.waiting, preview_tasks()) == (0, 0)


async def test_no_preview_is_made_while_as_many_wait_as_may() -> None:
    world = World()
    await world.slot()
    for _ in range(MAX_WAITING):
        await world.submit()
        await world.end(await world.start_work())
    assert world.images.made_previews == 2 * MAX_WAITING
    job = await world.submit()
    await world.end(await world.start_work())
    assert world.images.made_previews == 2 * MAX_WAITING
    await world.clock.advance(timedelta(minutes=2))
    assert len(await world.files(MediaKind.PREVIEWS)) == 2 * MAX_WAITING
    assert world.images.decoded_for_previews == 0
    file = await world.media.public_thumbnail(job.id)
    assert str(file.file.key) in await world.files(MediaKind.PREVIEWS)
    with pytest.raises(MediaNotFound):
        await world.media.job_photo(job.id)


async def test_both_previews_of_a_job_are_stored_as_they_came() -> None:
    rush = Rush()
    job_id = rush.end_job(b"small", photo=b"small photo")
    await rush.clock.advance(2 * SECOND)
    assert (rush.media.thumbnails, rush.media.photos) == ([job_id], [job_id])
    assert rush.media.previews == [b"small", b"small photo"]


async def test_a_job_decodes_no_picture_for_its_previews() -> None:
    world = World()
    await world.slot()
    await world.submit()
    job = await world.work()
    assert len(await world.files(MediaKind.PREVIEWS)) == 2
    assert world.images.decoded_for_previews == 0
    file = await world.media.public_thumbnail(job.id)
    assert job.result is not None
    assert await world.content(file.file.key) == await world.images.preview(await world.content(job.result.file.key))


async def test_a_result_whose_preview_failed_is_decoded_for_it_while_the_worker_is_idle() -> None:
    world = World()
    world.images.makes_previews = False
    await world.slot()
    await world.submit()
    job = await world.work()
    assert [name.rsplit(".", 1)[1] for name in await world.files(MediaKind.PREVIEWS)] == ["webp"]
    assert world.images.decoded_for_previews == 1
    with pytest.raises(MediaNotFound):
        await world.media.job_photo(job.id)


async def test_stopping_after_a_rush_makes_no_previews() -> None:
    rush = Rush()
    await rush.end_jobs(300, every=timedelta(0))
    await rush.previews.close()
    await rush.clock.advance(timedelta(minutes=1))
    assert (rush.media.thumbnails, rush.previews.waiting, preview_tasks()) == ([], 0, 0)


async def test_stopping_does_not_wait_for_a_preview_that_hangs() -> None:
    rush = Rush()

    async def hang(job: Job) -> None:
        await asyncio.get_running_loop().create_future()

    rush.media.making = hang
    rush.end_job()
    await rush.clock.advance(SECOND)
    await rush.previews.close()
    assert preview_tasks() == 0


@pytest.mark.parametrize("error", [StorageUnavailable("full"), MediaNotFound("purged"), RuntimeError("unforeseen")])
async def test_a_preview_that_fails_is_logged_with_its_job_and_costs_no_other(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    rush = Rush()
    await rush.end_jobs(3, every=timedelta(0))
    broken = rush.jobs[1].id

    async def fail_once(job: Job) -> None:
        if job.id == broken:
            raise error

    rush.media.making = fail_once
    await rush.clock.advance(SECOND)
    assert rush.media.thumbnails == [rush.jobs[2].id, rush.jobs[0].id]
    (record,) = caplog.records
    assert f"preview of job {broken} failed" in record.getMessage()
    await rush.previews.close()


async def test_previews_are_made_again_after_a_failure_and_after_stopping() -> None:
    rush = Rush()
    rush.end_job()
    await rush.previews.close()
    later = rush.end_job()
    await rush.clock.advance(SECOND)
    assert rush.media.thumbnails == [later]


async def test_a_thumbnail_that_was_left_is_made_on_demand() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    await world.end(await world.start_work())
    await world.run(world.processing.close())
    assert await world.files(MediaKind.PREVIEWS) == []
    file = await world.media.public_thumbnail(job.id)
    assert await world.files(MediaKind.PREVIEWS) == [str(file.file.key)]
