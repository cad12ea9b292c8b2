"""The whole life of a job on adapters in memory: what goes in, what comes out, and every way it can end."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from photochanger.core.domain.accounts import Actor
from photochanger.core.domain.audit import AuditAction, AuditEntry
from photochanger.core.domain.errors import ImageTooLarge, JobFinalized, MediaExpired, MediaNotFound, StorageUnavailable
from photochanger.core.domain.job import FailureReason, Job, JobState, LogEvent
from photochanger.core.domain.media import MediaKind, Picture, PictureNeeds
from photochanger.core.domain.results.files import photo_key, preview_key
from photochanger.core.domain.results.listing import ResultFilter
from photochanger.core.domain.slots.slot import FailureAnswer
from photochanger.core.domain.stats.summary import figures_of
from photochanger.core.ports.provider import ProviderRequest, Rejected, Unavailable

from tests.support.world import SECOND, SLOT, TORN, ScriptedProvider, World, never, picture

pytestmark = pytest.mark.anyio

WINDOW = timedelta(seconds=48)


async def assert_ended(world: World, job: Job, state: JobState, reason: FailureReason, code: str) -> None:
    """The job ended so, counts so, and left no payload behind."""
    ended = await world.jobs.get(job.id)
    assert (ended.state, ended.failure_reason, ended.error_code) == (state, reason, code)
    assert ended.error_detail
    assert await world.files(MediaKind.PAYLOADS) == []


async def test_a_photo_becomes_a_picture() -> None:
    world = World(cloud := ScriptedProvider("cloud"))
    await world.slot("cloud")
    photo = picture("ada")
    job = await world.submit(photo, metadata={"guest": "Ada"}, idempotency_key="k-1")
    assert (job.state, job.expires_at - job.created_at, job.metadata) == (JobState.PENDING, WINDOW, {"guest": "Ada"})
    assert await world.files() == [f"payloads/{job.photo.file.key.name}"]
    assert (job.photo.file.size_bytes, job.photo.facts.width) == (len(photo), 6000)

    waiting = await world.start(world.jobs.wait(job.id))
    assert not waiting.done()
    await world.work()
    ended = await world.end(waiting)

    (request,) = cloud.calls
    assert (request.photo.data, request.job_id, request.until) == (photo, job.id, job.expires_at)
    assert (ended.state, ended.failure_reason, ended.provider_id, ended.operation_id) == (
        JobState.SUCCEEDED,
        None,
        "cloud",
        "enhance",
    )
    assert ended.result is not None
    assert await world.content(ended.result.file.key) == cloud.made(request)
    assert (ended.result.mime, ended.result.picture.width, ended.result.fallback) == ("image/jpeg", 1000, False)
    assert ended.result.expires_at == ended.finalized_at + timedelta(hours=72)
    kept = ended.result.file.key
    assert await world.files() == sorted(str(key) for key in (kept, preview_key(kept), photo_key(kept)))
    events = [entry.event for entry in await world.job_log.entries(job.id)]
    assert events == [LogEvent.RECEIVED, LogEvent.ACQUIRED, LogEvent.ATTEMPT, LogEvent.FINALIZED]


async def test_the_attempt_before_the_last_is_logged_before_the_end_however_slow_the_log() -> None:
    world = World(ScriptedProvider("cloud", Rejected("no")), ScriptedProvider("other"))
    await world.slot("cloud", "other")
    job = await world.submit()
    append = world.job_log.append

    async def slowly(*args: object) -> object:
        await world.clock.sleep(SECOND)
        return await append(*args)

    world.job_log.append = slowly
    await world.work()
    written = [event.entry.event for event in await world.job_log.events(after=0, limit=10)]
    assert written[-3:] == [LogEvent.ATTEMPT, LogEvent.ATTEMPT, LogEvent.FINALIZED]
    assert not any(event.after_end for event in await world.job_log.events(after=0, limit=10)), job.id


async def test_a_result_and_its_preview_are_named_after_the_job_and_their_type() -> None:
    world = World(ScriptedProvider("cloud", picture("a", type="PNG")))
    await world.slot("cloud")
    await world.submit()
    job = await world.work()
    assert job.result is not None
    name = job.result.file.key.name
    assert name.startswith(f"{job.id}-")
    assert name.endswith(".png")
    assert await world.files(MediaKind.PREVIEWS) == [f"previews/{name[:-4]}.photo", f"previews/{name[:-4]}.webp"]


async def test_the_preview_is_made_after_the_answer_and_not_for_it() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    await world.end(await world.start_work())
    assert (await world.jobs.get(job.id)).state is JobState.SUCCEEDED
    assert await world.files(MediaKind.PREVIEWS) == []
    await world.clock.advance(SECOND)
    assert len(await world.files(MediaKind.PREVIEWS)) == 2


async def test_a_preview_of_the_photo_is_kept_with_the_result() -> None:
    world = World(cloud := ScriptedProvider("cloud", Rejected("no"), picture("made")))
    await world.slot("cloud")
    await world.submit()
    failed = await world.work()
    assert await world.files() == []
    with pytest.raises(MediaNotFound):
        await world.media.job_photo(failed.id)
    await world.submit(picture("the guest"))
    job = await world.work()
    kept = await world.media.job_photo(job.id)
    assert await world.content(kept.file.key) == b"WEBP 512x341 small " + cloud.calls[-1].photo.data
    assert job.result is not None
    assert kept.expires_at == job.result.expires_at
    await world.clock.advance(job.result.expires_at - world.clock.now())
    with pytest.raises(MediaExpired):
        await world.media.job_photo(job.id)


async def test_a_preview_that_cannot_be_made_costs_the_job_nothing() -> None:
    world = World()
    await world.slot()
    await world.submit()
    work = await world.start_work()
    world.store.faults["put"] = StorageUnavailable("full")
    await world.clock.advance(SECOND)
    await world.end(work)
    (listed,) = (await world.results.find(ResultFilter(), now=world.clock.now(), limit=10)).items
    assert listed.job.state is JobState.SUCCEEDED
    assert await world.files(MediaKind.PREVIEWS) == []


# The deadline


async def test_at_the_deadline_a_waiter_ends_the_job_without_a_worker() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    waiting = await world.start(world.jobs.wait(job.id))
    await world.clock.advance(WINDOW - timedelta(milliseconds=1))
    assert not waiting.done()
    ended = await world.end(waiting, within=timedelta(milliseconds=1))
    assert ended == await world.jobs.get(job.id)
    assert ended.finalized_at == job.expires_at
    await assert_ended(world, job, JobState.TIMED_OUT, FailureReason.TIMEOUT, "sync_timeout")
    assert await world.claims() == []


async def test_at_the_deadline_the_worker_stops_the_provider_and_ends_the_job_without_a_waiter() -> None:
    world = World(cloud := ScriptedProvider("cloud", never))
    await world.slot("cloud")
    job = await world.submit()
    work = await world.start_work()
    await world.clock.advance(WINDOW - timedelta(milliseconds=1))
    assert not work.done()
    await world.end(work, within=timedelta(milliseconds=1))
    await assert_ended(world, job, JobState.TIMED_OUT, FailureReason.TIMEOUT, "sync_timeout")
    assert cloud.stopped == 1
    assert world.local.calls == []  # no other entry is begun after the window
    assert (await world.log(job, LogEvent.ATTEMPT))[0]["classification"] == "timeout"


async def test_an_answer_after_the_deadline_changes_nothing_and_its_file_is_removed() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    claim = await world.claim()
    await world.run(world.jobs.wait(job.id), within=WINDOW)
    before, log = await world.jobs.get(job.id), await world.job_log.entries(job.id)
    late, _ = await world.pictures.store(job.id, picture("late"), limits=world.providers.limits)
    assert await world.files() == [str(late.file.key)]
    assert await world.completion.finalize_job(claim, late, provider_id="local", operation_id="enhance") is None
    assert await world.files() == []
    assert await world.jobs.get(job.id) == before
    assert await world.job_log.entries(job.id) == log


async def test_a_provider_that_cannot_be_stopped_and_answers_late_leaves_no_file() -> None:
    world = World()

    async def deaf(request: ProviderRequest) -> bytes:
        try:
            await world.clock.sleep(60 * SECOND)
        except asyncio.CancelledError:
            await world.clock.sleep(2 * SECOND)
        return picture("late")

    world.local.script.append(deaf)
    await world.slot()
    job = await world.submit()
    work = await world.start_work()
    waiting = await world.start(world.jobs.wait(job.id))
    await world.end(waiting, within=WINDOW)
    await world.end(work, within=60 * SECOND)
    await assert_ended(world, job, JobState.TIMED_OUT, FailureReason.TIMEOUT, "sync_timeout")
    assert await world.files() == []


async def test_the_sync_window_of_a_job_is_fixed_when_it_is_made() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    await world.set_settings(sync_response=timedelta(seconds=10))
    await world.clock.advance(2 * SECOND)
    shorter = await world.submit(picture("second"))
    assert shorter.expires_at - shorter.created_at == timedelta(seconds=10)
    assert (await world.jobs.get(job.id)).expires_at == job.expires_at


# The other ways to end


async def test_when_every_provider_gives_up_the_job_fails_with_the_last_one_named() -> None:
    world = World(ScriptedProvider("one", Rejected("blocked")), ScriptedProvider("two", Unavailable("no key")))
    await world.slot("one", "two")
    await world.submit()
    job = await world.work()
    await assert_ended(world, job, JobState.FAILED, FailureReason.PROVIDER_ERROR, "provider_failed")
    assert (job.provider_id, job.operation_id, job.error_detail) == ("two", "enhance", "no key")


async def test_a_photo_that_does_not_decode_whole_fails_without_asking_a_provider() -> None:
    world = World()
    await world.slot(failure_answer=FailureAnswer.BRANDED)  # there is nothing to make a failure answer of
    await world.submit(TORN)
    job = await world.work()
    await assert_ended(world, job, JobState.FAILED, FailureReason.INVALID_PHOTO, "undecodable_image")
    assert world.local.calls == []
    assert job.result is None


async def test_a_photo_that_decodes_to_too_many_pixels_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()

    async def too_large(path: Path, needs: PictureNeeds) -> Picture:
        raise ImageTooLarge("It grows while it is decoded.")

    monkeypatch.setattr(world.images, "prepare", too_large)
    await world.slot()
    job = await world.submit()
    await world.work()
    await assert_ended(world, job, JobState.FAILED, FailureReason.INVALID_PHOTO, "image_too_large")


async def test_a_store_that_fails_while_the_job_runs_ends_it_as_a_storage_error() -> None:
    world = World()
    await world.slot()
    await world.submit()
    world.store.faults["put"] = StorageUnavailable("the disk is full")
    job = await world.work()
    await assert_ended(world, job, JobState.FAILED, FailureReason.STORAGE_ERROR, "storage_unavailable")


async def test_a_missing_payload_ends_the_job_as_a_storage_error() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    await world.store.delete(job.photo.file.key)
    await assert_ended(world, await world.work(), JobState.FAILED, FailureReason.STORAGE_ERROR, "storage_unavailable")


async def test_cancelling_stops_the_provider_call_and_removes_the_payload() -> None:
    world = World(cloud := ScriptedProvider("cloud", never))
    await world.slot("cloud", failure_answer=FailureAnswer.ORIGINAL)
    job = await world.submit()
    work = await world.start_work()
    waiting = await world.start(world.jobs.wait(job.id))
    assert len(cloud.calls) == 1
    cancelled = await world.jobs.cancel(job.id)
    assert await world.end(waiting) == cancelled == await world.jobs.get(job.id)
    await world.end(work)
    assert cloud.stopped == 1
    assert cancelled.result is None  # a cancelled job gets no failure answer
    await assert_ended(world, job, JobState.CANCELLED, FailureReason.CANCELLED, "job_cancelled")


async def test_a_job_that_has_ended_cannot_be_cancelled_and_stays_as_it_is() -> None:
    world = World()
    await world.slot()
    await world.submit()
    job = await world.work()
    with pytest.raises(JobFinalized):
        await world.jobs.cancel(job.id)
    assert await world.jobs.get(job.id) == job


async def test_a_cancelled_job_has_its_audit_entry_and_a_second_cancel_has_none() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    await world.jobs.cancel(job.id, by=Actor("ada", "10.0.0.7"))
    with pytest.raises(JobFinalized):
        await world.jobs.cancel(job.id, by=Actor("ada"))
    (entry,) = (await world.audit.find(limit=10)).items
    assert (entry.action, entry.actor, entry.address, entry.target, entry.detail) == (
        AuditAction.JOB_CANCELLED,
        "ada",
        "10.0.0.7",
        str(job.id),
        {"slot_id": SLOT},
    )


async def test_a_job_goes_on_where_the_audit_entry_of_its_cancel_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    await world.slot()
    job = await world.submit()

    def fail(entry: AuditEntry | None) -> None:
        raise RuntimeError("the audit log cannot be written")

    monkeypatch.setattr(world.audit, "write", fail)
    with pytest.raises(RuntimeError):
        await world.jobs.cancel(job.id, by=Actor("ada"))
    assert await world.jobs.get(job.id) == job
    monkeypatch.undo()
    assert (await world.work()).state is JobState.SUCCEEDED


async def test_every_end_counts_once() -> None:
    world = World(ScriptedProvider("cloud", picture("good"), Rejected("no")))
    await world.slot("cloud")
    await world.submit(picture("1"))
    await world.work()
    await world.submit(picture("2"))
    await world.work()
    await world.submit(TORN)
    await world.work()
    await world.jobs.cancel((await world.submit(picture("3"))).id)
    await world.run(world.jobs.wait((await world.submit(picture("4"))).id), within=WINDOW)
    hour = world.clock.now().replace(minute=0, second=0, microsecond=0)
    cells = await world.stats.cells([hour - timedelta(hours=1), hour + timedelta(hours=1)], slot_id=SLOT)
    one = figures_of(cells)
    assert (one.success, one.provider_errors, one.errors, one.cancelled, one.timeouts) == (1, 1, 1, 1, 1)
    assert one.ingest_count == 5


# More than one at it
