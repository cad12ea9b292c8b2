"""Faults of the media store that pass: the photo and the picture in memory outlast them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from photochanger.core.domain.errors import MediaNotFound, StorageUnavailable
from photochanger.core.domain.job import FailureReason, Job, JobState, LogEvent
from photochanger.core.domain.media import MediaKey, MediaKind
from photochanger.core.domain.slots.slot import FailureAnswer, TemplateBinding
from photochanger.core.ports.provider import ProviderRequest

from tests.support.world import SECOND, SLOT, ScriptedProvider, World, chunks, picture

pytestmark = pytest.mark.anyio

FULL = StorageUnavailable("The media store has no space left.")
WINDOW = 48 * SECOND


async def begun(world: World, **options: Any) -> tuple[Job, asyncio.Task[None]]:
    """A job in work, as far as it gets without time passing."""
    job = await world.submit(**options)
    return job, await world.start_work()


def answering_after(world: World, seconds: float) -> Any:
    async def call(request: ProviderRequest) -> bytes:
        await world.clock.sleep(seconds * SECOND)
        return picture("made")

    return call


async def test_the_picture_in_memory_is_stored_when_the_disk_has_room_again() -> None:
    world = World(cloud := ScriptedProvider("cloud"))
    await world.slot("cloud", "local")
    world.store.faults["put"] = StorageUnavailable("full")
    job = await world.records.get((await _stored_before_fault(world)).id)
    work = await world.start_work()
    await world.clock.advance(44 * SECOND)  # into the time that is kept for the fallback
    assert not work.done()
    world.store.faults.clear()
    await world.end(work, within=SECOND)
    ended = await world.jobs.get(job.id)
    assert (ended.state, ended.provider_id) == (JobState.SUCCEEDED, "cloud")
    assert (len(cloud.calls), len(world.local.calls)) == (1, 0)
    (attempt,) = await world.log(job, LogEvent.ATTEMPT)
    assert attempt["classification"] == "picture"


async def _stored_before_fault(world: World) -> Job:
    faults, world.store.faults = world.store.faults, {}
    job = await world.submit()
    world.store.faults = faults
    return job


@pytest.mark.parametrize("error", [FULL, MediaNotFound("There is no file.")])
async def test_a_photo_that_cannot_be_read_is_read_when_the_store_is_back(error: Exception) -> None:
    world = World(cloud := ScriptedProvider("cloud"))
    await world.slot("cloud", "local")
    world.store.faults["local"] = error
    job, work = await begun(world)
    await world.clock.advance(20 * SECOND)
    assert cloud.calls == world.local.calls == []  # nothing is paid for before there is a photo
    world.store.faults.clear()
    await world.end(work, within=SECOND)
    assert (await world.jobs.get(job.id)).state is JobState.SUCCEEDED
    assert len(cloud.calls) == 1


async def test_a_photo_that_cannot_be_read_to_the_end_is_a_storage_error_with_its_failure_answer() -> None:
    world = World(ScriptedProvider("cloud"))
    await world.slot("cloud", failure_answer=FailureAnswer.ORIGINAL)
    world.store.faults["local"] = FULL
    job, work = await begun(world)
    await world.clock.advance(45 * SECOND)
    world.store.faults.clear()
    await world.end(work, within=SECOND)
    ended = await world.jobs.get(job.id)
    assert (ended.failure_reason, ended.error_detail) == (FailureReason.STORAGE_ERROR, FULL.detail)
    assert ended.result is not None
    assert ended.result.fallback
    assert await world.content(ended.result.file.key) == picture()


async def test_a_failure_answer_waits_for_the_store_and_keeps_the_photo_that_it_needs() -> None:
    world = World(ScriptedProvider("cloud", answering_after_never))
    await world.slot("cloud", failure_answer=FailureAnswer.ORIGINAL)
    job, work = await begun(world)
    await world.clock.advance(44 * SECOND)
    world.store.faults["put"] = FULL
    await world.clock.advance(3 * SECOND)
    assert await world.files(MediaKind.PAYLOADS) == [str(job.photo.file.key)]
    world.store.faults.clear()
    await world.end(work, within=SECOND / 2)
    ended = await world.jobs.get(job.id)
    assert (ended.state, ended.result is not None) == (JobState.TIMED_OUT, True)


async def answering_after_never(request: ProviderRequest) -> bytes:
    return await asyncio.get_running_loop().create_future()


async def test_a_template_that_cannot_be_read_leaves_the_job_to_the_fallback() -> None:
    world = World(cloud := ScriptedProvider("cloud"))
    key = MediaKey(MediaKind.TEMPLATES, "golden")
    await world.store.put(key.kind, key.name, chunks(picture("golden")), max_bytes=1000)
    await world.slot("cloud/frame", "local", templates=(TemplateBinding("frame", "golden"),))
    local = world.store.inner.local

    def without_templates(wanted: MediaKey) -> Any:
        if wanted == key:
            raise FULL
        return local(wanted)

    world.store.inner.local = without_templates
    await world.submit()
    job = await world.work(within=WINDOW)
    assert (job.state, cloud.calls) == (JobState.SUCCEEDED, [])
    assert job.provider_id == "local"


async def test_a_late_picture_is_stored_after_the_window() -> None:
    world = World(cloud := ScriptedProvider("cloud"))
    cloud.script.append(answering_after(world, 40))
    await world.slot("cloud", late_rescue=True)
    job, _ = await begun(world)
    await world.clock.advance(39 * SECOND)
    world.store.faults["put"] = FULL
    await world.clock.advance(20 * SECOND)
    timed_out = await world.jobs.get(job.id)
    assert (timed_out.state.finalized, timed_out.result) == (True, None)
    world.store.faults.clear()
    await world.clock.advance(SECOND)
    assert (await world.jobs.get(job.id)).result is not None
    assert len(cloud.calls) == 1


async def test_a_photo_waits_for_room_and_is_refused_where_there_is_none_for_long() -> None:
    world = World()
    await world.slot()
    world.store.inner.room_bytes = 0
    admitting = await world.start(world.jobs.admit(SLOT))
    await world.clock.advance(2 * SECOND)
    world.store.inner.room_bytes = 10**9
    assert (await world.end(admitting, within=2 * SECOND)).id == SLOT
    world.store.inner.room_bytes = 0
    await world.clock.advance(2 * SECOND)
    with pytest.raises(StorageUnavailable, match="nearly full"):
        await world.run(world.jobs.admit(SLOT), within=timedelta(seconds=6))


async def test_a_fault_hides_no_other_error_and_leaves_the_file_to_the_sweeper() -> None:
    world = World()
    await world.slot()
    slot = await world.jobs.admit(SLOT)
    world.store.faults["delete"] = FULL
    with pytest.raises(Exception, match="pixels") as error:
        await world.jobs.receive_photo(slot, chunks(picture(width=10**5, height=10**5)))
    assert not isinstance(error.value, StorageUnavailable)
