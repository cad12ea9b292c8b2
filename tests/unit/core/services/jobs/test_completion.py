"""The end of a job while the queue or the store fails: no paid picture is lost, no file is left over."""

from __future__ import annotations

from datetime import timedelta

import pytest
from photochanger.core.domain.errors import QueueUnavailable, StorageUnavailable
from photochanger.core.domain.job import JobState
from photochanger.core.domain.media import MediaKind
from photochanger.core.ports.provider import ProviderRequest

from tests.support.world import SECOND, ScriptedProvider, World, chunks, picture

pytestmark = pytest.mark.anyio

WINDOW = timedelta(seconds=48)


async def test_a_result_outlives_a_short_outage_at_the_moment_of_finalizing() -> None:
    world = World(cloud := ScriptedProvider("cloud"))

    async def then_the_database_goes(request: ProviderRequest) -> bytes:
        await world.clock.sleep(5 * SECOND)
        for adapter in (world.queue, world.records, world.settings_records, world.media_records):
            adapter.faults["*"] = QueueUnavailable("away")
        return picture("paid for")

    cloud.script.append(then_the_database_goes)
    await world.slot("cloud")
    job = await world.submit()
    work = await world.start_work()
    await world.clock.advance(9 * SECOND)
    assert not work.done()
    for adapter in (world.queue, world.records, world.settings_records, world.media_records):
        adapter.faults.clear()
    await world.end(work, within=SECOND)
    ended = await world.jobs.get(job.id)
    assert ended.state is JobState.SUCCEEDED
    assert ended.result is not None
    assert await world.content(ended.result.file.key) == picture("paid for")
    assert len(cloud.calls) == 1


async def test_an_outage_longer_than_the_window_raises_at_the_deadline() -> None:
    world = World()
    await world.slot()
    await world.submit()
    world.queue.faults["mark_finalized"] = QueueUnavailable("away")
    work = await world.start_work()
    with pytest.raises(QueueUnavailable):
        await world.end(work, within=WINDOW + SECOND)


async def test_a_finalization_whose_confirmation_was_lost_keeps_its_picture() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    claim = await world.claim()
    finalize, lost = world.queue.inner.mark_finalized, iter([True])

    async def committed_but_unheard(*args: object, **kwargs: object) -> bool:
        won: bool = await finalize(*args, **kwargs)
        if next(lost, False):
            raise QueueUnavailable("the connection broke after the commit")
        return won

    world.queue.mark_finalized = committed_but_unheard
    await world.run(world.processing.run(claim), within=SECOND)
    ended = await world.jobs.get(job.id)
    assert ended.state is JobState.SUCCEEDED
    assert ended.result is not None
    assert await world.files(MediaKind.RESULTS) == [str(ended.result.file.key)]
    assert await world.files(MediaKind.PAYLOADS) == []


async def test_a_payload_that_cannot_be_removed_does_not_fail_the_job() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    world.store.faults["delete"] = StorageUnavailable("read-only")
    assert (await world.work()).state is JobState.SUCCEEDED
    assert await world.files(MediaKind.PAYLOADS) == [str(job.photo.file.key)]  # the sweeper finds it


async def test_media_objects_of_a_job_are_removed_with_it() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    media = await world.media.register(chunks(picture()), mime="image/jpeg", max_bytes=1000, job=job)
    other = await world.media.register(chunks(picture()), mime="image/jpeg", max_bytes=1000)
    await world.work()
    assert await world.files(MediaKind.MEDIA) == [str(other.file.key)]
    assert media.file.key != other.file.key


async def test_a_lost_log_entry_does_not_cost_the_picture() -> None:
    world = World()
    await world.slot()
    await world.submit()
    world.job_log.faults["append"] = QueueUnavailable("away")
    assert (await world.work()).state is JobState.SUCCEEDED
