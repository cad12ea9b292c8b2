"""Erasure of guests and forgetting them, against whatever is under way at that moment."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from photochanger.core.domain.accounts import Actor
from photochanger.core.domain.audit import AuditAction
from photochanger.core.domain.errors import MediaExpired, QueueUnavailable, StorageUnavailable
from photochanger.core.domain.guest_data import ERASED_AGAIN_AFTER
from photochanger.core.domain.job import FailureReason, Job, JobState, LogEvent
from photochanger.core.domain.media import MediaKind
from photochanger.core.domain.settings import AppSettings
from photochanger.core.domain.webhook import DeliveryState
from photochanger.core.ports.provider import ProviderRequest, Rejected
from photochanger.core.services.webhooks.delivery import WebhookDelivery

from tests.support.builders import webhook
from tests.support.world import SECOND, ScriptedProvider, World, chunks, never, picture

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)
ADA = Actor("ada", "10.0.0.7")
MARK = "Guest-Name-4711"


async def finished(world: World) -> Job:
    """A job that has ended with its picture."""
    await world.slot()
    await world.submit(metadata={"guest": MARK})
    return await world.work(within=timedelta(0))


async def assert_erased(world: World, job: Job) -> None:
    gone = await world.jobs.get(job.id)
    assert gone.erased_at is not None
    assert gone.metadata == {}
    assert MARK not in str(await world.job_log.entries(job.id))
    assert await world.files() == []
    with pytest.raises(MediaExpired):
        await world.media.public_result(job.id)


async def test_an_erased_job_has_no_files_and_no_words() -> None:
    world = World()
    job = await finished(world)
    assert len(await world.files()) == 3
    await world.erasure.erase(job.id, by=ADA)
    await assert_erased(world, job)
    (entry,) = (await world.audit.find(limit=10, action=AuditAction.JOB_ERASED)).items
    assert (entry.actor, entry.address, entry.target, entry.detail) == (
        "ada",
        "10.0.0.7",
        str(job.id),
        {"slot_id": job.slot_id},
    )


async def test_a_call_under_way_is_stopped_and_stores_nothing() -> None:
    provider = ScriptedProvider("gemini", never)
    world = World(provider)
    await world.slot("gemini")
    job = await world.submit(metadata={"guest": MARK})
    working = await world.start_work()
    assert len(provider.calls) == 1
    await world.erasure.erase(job.id, by=ADA)
    await world.end(working, within=SECOND)
    await world.run(world.processing.close())
    assert provider.stopped == 1
    await assert_erased(world, job)
    assert (await world.jobs.get(job.id)).state is JobState.CANCELLED
    ends = world.telemetry.of("job_ended")
    assert [(end["slot_id"], end["reason"]) for end in ends] == [(job.slot_id, FailureReason.CANCELLED)]


async def test_a_picture_that_arrives_after_the_erasure_is_not_kept() -> None:
    arrives = asyncio.Event()

    async def stubborn(request: ProviderRequest) -> bytes:
        while not arrives.is_set():  # does not even let itself be cancelled
            try:
                await arrives.wait()
            except asyncio.CancelledError:
                arrives.set()
        return picture("late")

    world = World(ScriptedProvider("gemini", stubborn))
    await world.slot("gemini")
    job = await world.submit(metadata={"guest": MARK})
    working = await world.start_work()
    await world.erasure.erase(job.id, by=ADA)
    await world.end(working, within=SECOND)
    await world.run(world.processing.close())
    await assert_erased(world, job)
    assert (await world.jobs.get(job.id)).result is None


async def test_words_that_arrive_after_the_erasure_are_not_kept() -> None:
    world = World(ScriptedProvider("gemini", Rejected(f"No picture of {MARK}.")))
    await world.slot("gemini")
    job = await world.submit(metadata={"guest": MARK})
    world.job_log.faults["append"] = QueueUnavailable("not now")
    await world.start_work()
    await world.erasure.erase(job.id, by=ADA)
    world.job_log.faults.clear()
    await world.clock.advance(2 * SECOND)
    await world.run(world.processing.close())
    await assert_erased(world, job)


async def test_words_of_a_provider_do_not_reach_the_log_of_the_process(caplog: pytest.LogCaptureFixture) -> None:
    world = World(ScriptedProvider("gemini", Rejected(f"No picture of {MARK}.")))
    await world.slot("gemini")
    await world.submit(metadata={"guest": MARK})
    world.job_log.faults["append"] = QueueUnavailable("not now")
    await world.work()
    assert "lost: not now" in caplog.text
    assert MARK not in caplog.text


async def test_previews_that_wait_are_not_made_of_an_erased_guest() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    await world.start_work()
    ended = await world.jobs.get(job.id)
    assert ended.result is not None
    assert len(await world.files(MediaKind.PREVIEWS)) == 0
    await world.erasure.erase(job.id, by=ADA)
    with pytest.raises(MediaExpired):
        await world.media.keep_photo(ended, picture())  # as the worker knows the job
    await world.clock.advance(5 * SECOND)
    await world.run(world.processing.close())
    await assert_erased(world, job)


async def test_what_was_being_written_at_the_erasure_is_erased_a_minute_later() -> None:
    world = World()
    job = await finished(world)
    result = job.result
    assert result is not None
    await world.erasure.erase(job.id, by=ADA)
    await world.store.put(MediaKind.RESULTS, result.file.key.name, chunks(b"written late"), max_bytes=100)
    await world.clock.advance(ERASED_AGAIN_AFTER - SECOND)
    assert (await world.sweeper.sweep_expired())["guests"] == 0
    await world.clock.advance(SECOND)
    assert (await world.sweeper.sweep_expired())["guests"] == 1
    await assert_erased(world, job)
    assert (await world.sweeper.sweep_expired())["guests"] == 0


@pytest.mark.parametrize("fault", [StorageUnavailable("read-only"), asyncio.CancelledError()])
async def test_an_interrupted_erasure_is_finished_by_the_sweeper(fault: BaseException) -> None:
    world = World()
    job = await finished(world)
    world.store.faults["delete"] = fault
    with pytest.raises(type(fault)):
        await world.erasure.erase(job.id, by=ADA)
    assert len(await world.files()) == 3
    with pytest.raises(MediaExpired):
        await world.media.public_result(job.id)
    world.store.faults.clear()
    await world.clock.advance(ERASED_AGAIN_AFTER)
    assert (await world.sweeper.sweep_expired())["guests"] == 1
    await assert_erased(world, job)


async def test_nothing_is_erased_without_the_database() -> None:
    world = World()
    job = await finished(world)
    world.guests.faults["erase"] = QueueUnavailable("away")
    with pytest.raises(QueueUnavailable):
        await world.erasure.erase(job.id, by=ADA)
    assert len(await world.files()) == 3
    assert (await world.media.public_result(job.id)).mime == "image/jpeg"


async def test_a_notification_of_an_erased_guest_is_given_up() -> None:
    world = World()
    await world.slot()
    await world.webhooks.save(webhook())
    await world.submit(metadata={"guest": MARK})
    job = await world.work(within=timedelta(0))
    await world.erasure.erase(job.id, by=ADA)
    deliveries = world._get(WebhookDelivery)
    running = await world.start(deliveries.run())
    deliveries.stop()
    await world.end(running, within=SECOND)
    (delivery,) = (await world.outbox.find(limit=10)).items
    assert (delivery.state, delivery.last_error) == (DeliveryState.DEAD, "The guest of the job was erased.")


async def test_guests_without_a_picture_are_forgotten_after_the_same_time() -> None:
    world = World(
        ScriptedProvider("gemini", Rejected(f"No picture of {MARK}.")), settings=AppSettings(result_retention=HOUR)
    )
    await world.slot("gemini")
    await world.submit(metadata={"guest": MARK})
    job = await world.work(within=timedelta(0))
    assert job.state is JobState.FAILED
    assert MARK in str(await world.job_log.entries(job.id))
    assert job.finalized_at is not None
    await world.clock.advance(job.finalized_at + HOUR - SECOND - world.clock.now())
    assert (await world.sweeper.sweep_expired())["guests"] == 0
    await world.clock.advance(SECOND)
    assert (await world.sweeper.sweep_expired())["guests"] == 1
    forgotten = await world.jobs.get(job.id)
    assert (forgotten.metadata, forgotten.error_detail, forgotten.error_code) == ({}, None, job.error_code)
    entries = await world.job_log.entries(job.id)
    assert MARK not in str(entries)
    assert {LogEvent.RECEIVED, LogEvent.ATTEMPT, LogEvent.FINALIZED} <= {entry.event for entry in entries}
